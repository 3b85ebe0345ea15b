"""A night with a real worker and real jobs; the program that would shut the machine down is a stand-in."""

from __future__ import annotations

import os
import sys
import time

import pytest

from tests.jobs.script_job import script_job, script_worker
from train_tools.jobs.lease import Lease, job_lease, others_at_work, service_lease
from train_tools.jobs.queue import UNFINISHED, Queue
from train_tools.machine.night import Night
from train_tools.machine.shutdown import ShutdownWish
from train_tools.model.job import JobState
from train_tools.model.paths import OutputsPaths

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="stand-ins for Linux's programs")


@pytest.fixture
def outputs(tmp_path, monkeypatch, stand_ins) -> OutputsPaths:
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    stand_ins.put("systemctl")
    return OutputsPaths(tmp_path / "outputs" / "train_tools")


@pytest.fixture
def queue(outputs):
    opened = Queue(outputs.queue)
    yield opened
    opened.close()


def fast_night(queue: Queue, wish: ShutdownWish) -> Night:
    """A night whose minutes are milliseconds."""
    return Night(
        wish,
        keep_awake=lambda: True,
        done=lambda: not queue.jobs(states=UNFINISHED, limit=1),
        alone=lambda: not others_at_work(queue.id),
        clock=lambda: 1000 * time.monotonic(),
    )


def test_a_night_with_a_failed_run_ends_with_the_machine(outputs, queue, tmp_path, stand_ins):
    wish = ShutdownWish(tmp_path / "then")
    wish.ask()
    queue.add([script_job("a"), script_job("b", "raise SystemExit(1)"), script_job("c")])
    assert script_worker(outputs, queue, watch=fast_night(queue, wish)).run(until=lambda: not queue.waiting())
    assert sorted(job.state for job in queue.jobs()) == ["done", "done", "failed"]
    assert stand_ins.calls("systemctl") == [["poweroff"]]
    assert wish.read() is None


def test_what_was_queued_in_the_last_minute_is_done_before(outputs, queue, tmp_path, stand_ins):
    wish = ShutdownWish(tmp_path / "then")
    wish.ask()
    queue.add([script_job("a")])
    told = []

    def late(sentence: str) -> None:
        if not told:
            queue.add(
                [
                    script_job(
                        "late", f"import os; assert not os.path.exists({str(stand_ins.diary('systemctl'))!r})"
                    )
                ]
            )
        told.append(sentence)

    night = fast_night(queue, wish)
    night._say = late
    assert script_worker(outputs, queue, watch=night).run(until=lambda: not queue.waiting())
    assert [job.state for job in queue.jobs()] == [JobState.DONE] * 2
    assert stand_ins.calls("systemctl") == [["poweroff"]]


def test_work_of_another_folder_is_seen(outputs, queue):
    assert not others_at_work(queue.id)
    own = Lease.take(job_lease(queue.id, 1))
    assert not others_at_work(queue.id)
    other = Lease.take(job_lease("another", 1))
    assert others_at_work(queue.id)
    other.release()
    own.release()
    assert not others_at_work(queue.id)


def test_a_page_of_another_folder_that_is_open_is_no_work(queue):
    served = Lease.take(service_lease("another"))
    assert not others_at_work(queue.id)
    served.release()
