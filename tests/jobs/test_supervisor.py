from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sd_contract.attempt import Attempt
from tests.jobs.nvidia_smi import UUID, NvidiaSmi
from tests.jobs.patience import eventually
from train_tools.jobs.kind import Exit
from train_tools.jobs.lease import Lease, held, job_lease
from train_tools.jobs.queue import Queue
from train_tools.jobs.slots import Slot
from train_tools.jobs.supervisor import (
    TERMINATE_GRACE_S,
    Order,
    StopLadder,
    read_exit,
    read_order,
    write_exit,
    write_order,
)
from train_tools.jobs.tree import bearers, kill_bearers
from train_tools.model.job import JobState, NewJob, Verdict
from train_tools.model.paths import AttemptPaths, OutputsPaths

UNTIL_STOPPED = """
import sys, time
from pathlib import Path
print("at it", flush=True)
while not Path(sys.argv[1], "stop").exists(): time.sleep(0.02)
time.sleep(0.5)
print("stopped politely", flush=True)
"""
UNTIL_ALLOWED = """
import sys, time
from pathlib import Path
while not Path(sys.argv[1], "go").exists(): time.sleep(0.02)
"""
UNTIL_TERMINATED = "import time; print('at it', flush=True); time.sleep(60)"
LAUNCHER = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', *sys.argv[1:]]);"


class Supervised:
    """One job, claimed, with an order for its supervisor."""

    def __init__(self, outputs: OutputsPaths, queue: Queue) -> None:
        [self.id] = queue.add([NewJob(kind="script", title="it's a [job]", folder="jobs/it's a [job]")])
        self.queue = queue
        self.slot = "cpu"
        self.job = queue.claim("cpu", "here")
        self.paths = AttemptPaths.of(outputs.folder / self.job.folder, self.job.attempt)
        self.paths.folder.mkdir(parents=True)
        self.attempt = Attempt(self.paths.folder)
        self.lease = job_lease(queue.id, self.id)
        self.cookie = f"{queue.id}/{self.id}/{self.job.attempt}"

    def order(self, *command: str, grace_s: float = 30.0) -> None:
        write_order(
            self.paths,
            Order(
                database=str(self.queue.path),
                job=self.id,
                attempt=self.job.attempt,
                lease=str(self.lease),
                slot=self.slot,
                cookie=self.cookie,
                command=command,
                folder=str(self.paths.folder),
                environment={"SAID": "кот"},
                stop_grace_s=grace_s,
            ),
        )

    def log(self) -> str:
        return self.paths.log.read_text(encoding="utf-8") if self.paths.log.exists() else ""


@pytest.fixture
def supervised(outputs: OutputsPaths, queue: Queue) -> Iterator[Supervised]:
    made = Supervised(outputs, queue)
    yield made
    kill_bearers(made.cookie)


@pytest.fixture
def supervise(supervised: Supervised) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts the supervisor of a Python script; the attempt's folder is the script's first argument."""
    started: list[subprocess.Popen[bytes]] = []

    def supervise(*script: str, **settings: float) -> subprocess.Popen[bytes]:
        supervised.order(sys.executable, "-c", *script, str(supervised.paths.folder), **settings)
        started.append(supervisor_process(supervised.paths))
        return started[-1]

    yield supervise
    for process in started:
        process.kill()
        process.wait()


def supervisor_process(paths: AttemptPaths) -> subprocess.Popen[bytes]:
    with paths.supervisor_log.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "train_tools.jobs.supervisor", str(paths.folder)],
            stdin=subprocess.DEVNULL,
            stderr=log,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )


def test_it_runs_the_command_and_writes_down_how_it_ended(supervised, supervise, queue):
    script = "import os, sys; print(os.environ['SAID'], sys.stdin.isatty()); sys.exit(3)"
    assert supervise(script).wait(30) == 0
    assert read_exit(supervised.paths) == Exit(code=3)
    assert supervised.log() == "кот False\n"
    assert queue.get(supervised.id).state is JobState.RUNNING
    assert not held(supervised.lease)
    assert not Slot("cpu").busy()


def test_lease_and_slot_are_held_while_it_runs(supervised, supervise, tmp_path):
    supervisor = supervise(UNTIL_STOPPED)
    eventually(lambda: "at it" in supervised.log())
    assert held(supervised.lease)
    assert Slot("cpu").busy()
    supervised.attempt.request_stop()
    assert supervisor.wait(30) == 0
    assert read_exit(supervised.paths) == Exit(code=0, stopped=True)
    assert "stopped politely" in supervised.log()


def test_a_command_that_can_not_be_started_is_written_down(supervised):
    supervised.order("/no/such/program")
    assert supervisor_process(supervised.paths).wait(30) == 0
    exit_ = read_exit(supervised.paths)
    assert exit_.code == 127
    assert exit_.reason.startswith("/no/such/program could not be started: ")


def test_a_trainer_that_outlives_its_launcher_is_waited_for(supervised, supervise):
    supervisor = supervise(LAUNCHER + "import time; time.sleep(60)", UNTIL_STOPPED)
    eventually(lambda: "at it" in supervised.log())
    launcher = next(process for process in bearers(supervised.cookie) if LAUNCHER in process.cmdline()[2])
    launcher.kill()
    eventually(lambda: len(bearers(supervised.cookie)) == 1)
    assert read_exit(supervised.paths) is None
    assert held(supervised.lease)
    supervised.attempt.request_stop()
    assert supervisor.wait(30) == 0
    assert read_exit(supervised.paths) == Exit(code=-signal.SIGKILL, stopped=True)
    assert "stopped politely" in supervised.log()


def test_a_process_that_does_not_listen_is_terminated(supervised, supervise):
    supervisor = supervise(UNTIL_TERMINATED, grace_s=0.1)
    eventually(lambda: "at it" in supervised.log())
    supervised.attempt.request_stop()
    assert supervisor.wait(30) == 0
    assert read_exit(supervised.paths) == Exit(code=-signal.SIGTERM, stopped=True)


def test_a_stop_at_once_ends_the_whole_tree_and_saves_nothing(supervised, supervise):
    supervisor = supervise(LAUNCHER + "import time; time.sleep(60)", UNTIL_STOPPED)
    eventually(lambda: "at it" in supervised.log())
    supervised.attempt.request_stop("now")
    assert supervisor.wait(30) == 0
    assert read_exit(supervised.paths) == Exit(code=-signal.SIGKILL, stopped=True)
    assert "stopped politely" not in supervised.log()
    assert bearers(supervised.cookie) == []


def test_a_patient_stop_can_be_made_one_at_once(supervised, supervise):
    supervisor = supervise(UNTIL_TERMINATED)
    eventually(lambda: "at it" in supervised.log())
    supervised.attempt.request_stop("epoch")
    supervised.attempt.request_stop("now")
    assert supervisor.wait(30) == 0
    assert read_exit(supervised.paths) == Exit(code=-signal.SIGKILL, stopped=True)


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NvidiaSmi:
    made = NvidiaSmi(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{made.folder}{os.pathsep}{os.environ['PATH']}")
    made.used(500)
    made.held()
    return made


def test_gpu_memory_that_is_not_freed_after_a_stop_is_written_down(supervised, supervise, smi):
    supervised.slot = UUID
    supervisor = supervise(UNTIL_STOPPED)
    eventually(lambda: "at it" in supervised.log())
    eventually(lambda: len(smi.answered()) >= 2)
    smi.used(9000)
    smi.held((4242, 8500, "python"))
    supervised.attempt.request_stop()
    assert supervisor.wait(60) == 0
    assert "8,500 MB of GPU memory more than before" in read_exit(supervised.paths).memory
    assert "process 4242 (python)" in read_exit(supervised.paths).memory


def test_gpu_memory_is_looked_at_again_only_after_a_stop(supervised, supervise, smi):
    supervised.slot = UUID
    supervisor = supervise(UNTIL_ALLOWED)
    eventually(lambda: len(smi.answered()) >= 2)
    (supervised.paths.folder / "go").touch()
    assert supervisor.wait(30) == 0
    assert read_exit(supervised.paths) == Exit(code=0)
    assert len(smi.answered()) == 2


def test_a_signal_to_the_supervisor_is_a_request_to_stop(supervised, supervise):
    supervisor = supervise(UNTIL_STOPPED)
    eventually(lambda: "at it" in supervised.log())
    supervisor.send_signal(signal.SIGINT)
    supervisor.send_signal(signal.SIGHUP)
    supervisor.send_signal(signal.SIGTERM)
    assert supervisor.wait(30) == 0
    assert read_exit(supervised.paths) == Exit(code=0, stopped=True)
    assert "stopped politely" in supervised.log()


def test_an_order_whose_job_is_somebody_elses_starts_nothing(supervised, supervise, keep):
    keep(Lease.take(supervised.lease))
    assert supervise("print('started')").wait(30) == 0
    assert supervised.log() == ""
    assert read_exit(supervised.paths) is None
    assert "another process has this job" in supervised.paths.supervisor_log.read_text()


def test_a_slot_that_another_job_has_is_written_down_and_nothing_is_started(supervised, supervise, keep, tmp_path):
    keep(Slot("cpu").take(tmp_path / "other.lock"))
    assert supervise("print('started')").wait(30) == 0
    assert read_exit(supervised.paths) == Exit(code=None, started=False, reason="another job has the slot")
    assert supervised.log() == ""


@pytest.mark.parametrize("verdict", [JobState.QUEUED, JobState.CANCELLED])
def test_the_late_supervisor_of_an_old_attempt_starts_nothing(supervised, supervise, queue, verdict):
    queue.finish(supervised.id, supervised.job.attempt, Verdict(state=verdict))
    before = queue.claim("cpu", "here") or queue.get(supervised.id)
    assert supervise("print('started')").wait(30) == 0
    assert supervised.log() == ""
    assert read_exit(supervised.paths) is None
    assert queue.get(supervised.id) == before
    assert "no longer the current one" in supervised.paths.supervisor_log.read_text()


def test_an_order_is_read_as_it_was_written(supervised):
    supervised.order("python", "it's", "кот", "a b", grace_s=1.5)
    order = read_order(supervised.paths)
    assert order.command == ("python", "it's", "кот", "a b")
    assert (order.job, order.attempt, order.cookie) == (supervised.id, 1, supervised.cookie)
    assert (order.environment, order.stop_grace_s) == ({"SAID": "кот"}, 1.5)


@pytest.mark.parametrize("text", ["", '{"code": 0', "[]", '{"stopped": false}', "null"])
def test_an_exit_that_is_not_whole_is_none(tmp_path, text):
    paths = AttemptPaths(tmp_path)
    paths.exit.write_text(text)
    assert read_exit(paths) is None


def test_an_exit_says_when_it_was_and_leaves_no_other_file(tmp_path):
    paths = AttemptPaths(tmp_path)
    write_exit(paths, Exit(code=None, stopped=True, reason="кот"))
    assert read_exit(paths) == Exit(code=None, stopped=True, reason="кот")
    assert json.loads(paths.exit.read_text())["ended_at"] > 0
    assert list(tmp_path.iterdir()) == [paths.exit]


class Tree:
    """What a stop ladder does to a tree, and a clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.done: list[str] = []

    def terminate(self) -> None:
        self.done.append("terminate")

    def kill(self) -> None:
        self.done.append("kill")


def test_the_ladder_asks_then_terminates_then_kills_and_climbs_no_faster(tmp_path: Path):
    tree, attempt = Tree(), Attempt(tmp_path)
    ladder = StopLadder(tree, attempt, grace_s=60.0, clock=lambda: tree.now)

    def after(seconds: float) -> list[str]:
        tree.now += seconds
        ladder.climb()
        return tree.done

    assert after(1000) == []
    attempt.request_stop()
    assert after(0) == []
    assert after(59) == []
    assert after(2) == ["terminate"]
    assert after(TERMINATE_GRACE_S - 0.1) == ["terminate"]
    assert after(0.2) == ["terminate", "kill"]
    assert after(0.2) == ["terminate", "kill", "kill"]


def test_the_ladder_leaves_a_process_that_listens_the_time_to_end_its_epoch(tmp_path: Path):
    tree, attempt = Tree(), Attempt(tmp_path)
    ladder = StopLadder(tree, attempt, grace_s=60.0, clock=lambda: tree.now)
    attempt.request_stop("epoch")
    for _ in range(3):
        tree.now += 10_000
        ladder.climb()
    assert (tree.done, ladder.asked) == ([], True)
    attempt.request_stop("step")
    ladder.climb()
    tree.now += 59
    ladder.climb()
    assert tree.done == []
    tree.now += 2
    ladder.climb()
    assert tree.done == ["terminate"]


@pytest.mark.parametrize("mode", ["epoch", "step"])
def test_a_process_that_does_not_listen_has_its_grace_and_no_epoch(tmp_path: Path, mode):
    tree, attempt = Tree(), Attempt(tmp_path)
    ladder = StopLadder(tree, attempt, grace_s=0.0, clock=lambda: tree.now)
    attempt.request_stop(mode)
    ladder.climb()
    ladder.climb()
    assert tree.done == ["terminate"]


def test_a_stop_at_once_is_the_top_of_the_ladder(tmp_path: Path):
    tree, attempt = Tree(), Attempt(tmp_path)
    ladder = StopLadder(tree, attempt, grace_s=60.0, clock=lambda: tree.now)
    attempt.request_stop("now")
    ladder.climb()
    assert (tree.done, ladder.asked) == (["kill"], True)


def test_a_ladder_that_nobody_asked_for_does_nothing(tmp_path: Path):
    tree = Tree()
    ladder = StopLadder(tree, Attempt(tmp_path), grace_s=0.0, clock=lambda: tree.now)
    tree.now += 1000
    ladder.climb()
    assert (tree.done, ladder.asked) == ([], False)
