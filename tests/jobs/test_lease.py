from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.jobs.patience import eventually
from train_tools.jobs.lease import Lease, held, job_lease, state_folder, worker_lease

SLEEPER = "import time; time.sleep(60)"
HOLDER = """
import subprocess, sys
from pathlib import Path
from train_tools.jobs.lease import Lease
lease = Lease.take(Path(sys.argv[1]))
child = "import subprocess, sys, time; grandchild = subprocess.Popen([sys.executable, '-c', sys.argv[1]]);" \\
    " print(grandchild.pid, flush=True); time.sleep(60)"
process = subprocess.Popen([sys.executable, "-c", child, sys.argv[2]], stdin=lease.file)
print(process.pid, flush=True)
process.wait()
"""


@pytest.fixture
def lease_file(tmp_path: Path) -> Path:
    return tmp_path / "leases" / "it's a job.lock"


def test_a_lease_is_taken_once(lease_file, keep):
    keep(Lease.take(lease_file))
    assert Lease.take(lease_file) is None
    assert held(lease_file)


def test_a_released_lease_can_be_taken_again(lease_file, keep):
    keep(Lease.take(lease_file)).release()
    assert not held(lease_file)
    keep(Lease.take(lease_file))


def test_asking_whether_a_lease_is_held_neither_makes_nor_takes_it(lease_file, keep):
    assert not held(lease_file)
    assert not lease_file.exists()
    keep(Lease.take(lease_file)).release()
    assert not held(lease_file)
    keep(Lease.take(lease_file))


def test_patience_outlasts_a_holder_that_ends(lease_file, keep):
    script = "import sys; from pathlib import Path; from train_tools.jobs.lease import Lease\n"
    script += "lease = Lease.take(Path(sys.argv[1])); print('taken', flush=True); sys.stdin.read()"
    with python(script, lease_file, stdin=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == "taken\n"
        assert Lease.take(lease_file, patience_s=0.1) is None
        holder.stdin.close()
        keep(Lease.take(lease_file, patience_s=30.0))


def test_a_lease_is_held_until_the_last_process_that_inherited_it_has_ended(lease_file):
    with python(HOLDER, lease_file, SLEEPER) as holder:
        child = int(holder.stdout.readline())
        grandchild = int(holder.stdout.readline())
        for pid in (holder.pid, child):
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: dead(child))
        assert held(lease_file)
        os.kill(grandchild, signal.SIGKILL)
        eventually(lambda: not held(lease_file))


def test_a_process_that_was_started_meanwhile_does_not_hold_the_lease(lease_file, keep):
    lease = keep(Lease.take(lease_file))
    with python(SLEEPER) as bystander:
        lease.release()
        assert not held(lease_file)
        bystander.kill()


@pytest.mark.parametrize("text", ["/tmp/x.lock", "кот 猫 🐈", ""])
def test_what_a_lease_notes_replaces_what_it_noted(lease_file, keep, text):
    lease = keep(Lease.take(lease_file))
    lease.note("something longer than that, from an earlier job")
    lease.note(text)
    assert lease.noted() == text
    lease.release()
    assert keep(Lease.take(lease_file)).noted() == text


def test_leases_lie_in_the_users_state_folder_apart_for_each_queue(state):
    assert state_folder() == state
    leases = {job_lease("a", 1), job_lease("a", 2), job_lease("b", 1), worker_lease("a"), worker_lease("b")}
    assert len(leases) == 5
    assert all(lease.is_relative_to(state) for lease in leases)


def python(script: str, *arguments: object, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdin=stdin,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def dead(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
