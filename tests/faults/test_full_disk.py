"""A disk may be full in any phase of a job: nothing is lost, and the queue goes on when there is room again."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from sd_contract.attempt import Attempt
from tests.faults.small_disk import SmallDisk
from tests.jobs.script_job import ScriptJob, script_job, script_worker
from train_tools.files import write_text
from train_tools.jobs.kind import Launch
from train_tools.jobs.queue import Queue
from train_tools.model.job import Job, JobState, NewJob, Verdict
from train_tools.model.paths import OutputsPaths

LEAST_FREE = 100_000
STEPS = """
import os
from sd_contract.attempt import Attempt, Result, write_result
from sd_contract.events import AttemptStarted, EventLog, StepDone
attempt = Attempt.from_environment()
log = EventLog(attempt.events)
log.emit(AttemptStarted())
for step in (1, 2, 3): log.emit(StepDone(step, 3, loss=0.5))
"""
RESULT = "write_result(attempt, Result(outcome='done', step=3, total_steps=3))\n"
FILLS = """
import sys
from pathlib import Path
if not Path({mark!r}).exists():
    Path({mark!r}).touch()
    from tests.faults.small_disk import PIECE
    with open({ballast!r}, "ab", buffering=0) as ballast:
        try:
            while ballast.write(PIECE): pass
        except OSError: pass
"""


class FillsOnce(ScriptJob):
    """Finds the disk full in one of its methods, the first time."""

    def __init__(self, disk: SmallDisk, phase: str, leave_bytes: int = 0) -> None:
        self._disk = disk
        self._phase = phase
        self._leave_bytes = leave_bytes

    def prepare(self, job: Job, folder: Path, attempt: Attempt) -> Launch:
        self._reach("prepare")
        return super().prepare(job, folder, attempt)

    def observe(self, *details) -> None:
        self._reach("observe")

    def judge(self, job: Job, folder: Path, *details) -> Verdict:
        self._reach("judge")
        verdict = super().judge(job, folder, *details)
        write_text(folder / "published", "whole" * 1000)
        return verdict

    def follow_ups(self, *details) -> Sequence[NewJob]:
        self._reach("finish")
        return super().follow_ups(*details)

    def _reach(self, phase: str) -> None:
        if phase == self._phase:
            self._phase = ""
            self._disk.fill(self._leave_bytes)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallDisk]:
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    made = SmallDisk(tmp_path / "disk")
    if not made.mounted:
        pytest.skip("a small disk can't be mounted here: that takes root on Linux")
    yield made
    made.unmount()


def worked_off(disk: SmallDisk, kind: ScriptJob, jobs: Sequence[NewJob], *, full: bool = False) -> list[str]:
    """Works until all is done, and frees the disk as soon as the worker says that it waits; what it said."""
    outputs = OutputsPaths(disk.folder / "train_tools")
    queue, said = Queue(outputs.queue), []
    ids = queue.add(jobs)
    if full:
        disk.fill()
    worker = script_worker(outputs, queue, least_free_bytes=0 if full else LEAST_FREE)
    worker.kinds = {"script": kind}

    def say(text: str) -> None:
        said.append(text)
        if "full" in text or "are free" in text:
            disk.free()

    worker.say = say
    worker.run(until=lambda: not queue.waiting())
    assert [queue.get(id_).state for id_ in ids] == [JobState.DONE] * len(ids), queue.jobs()
    assert [queue.losses(id_) for id_ in ids] == [0] * len(ids)
    assert queue.waits == ""
    queue.close()
    with sqlite3.connect(outputs.queue) as db:
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)
    db.close()
    assert list(disk.folder.rglob("*.tmp")) == []
    published = [outputs.folder / "jobs" / job.title / "published" for job in jobs]
    assert [file.stat().st_size for file in published] == [5000] * len(jobs)
    return said


JOBS = (script_job("a", STEPS + RESULT, follow_up="pass"), script_job("b", STEPS + RESULT))


def test_a_disk_that_is_full_before_a_job_is_taken_keeps_it_waiting(disk):
    said = worked_off(disk, FillsOnce(disk, ""), JOBS, full=True)
    assert "full" in said[0]


@pytest.mark.parametrize("leave_bytes", [0, 4096, 16384, 40960])
def test_a_disk_that_fills_while_a_job_is_prepared_and_started_puts_it_back(disk, leave_bytes):
    said = worked_off(disk, FillsOnce(disk, "prepare", leave_bytes), JOBS)
    assert any("full" in text or "are free" in text for text in said)


@pytest.mark.parametrize("phase", ["observe", "judge", "finish"])
def test_a_disk_that_fills_later_delays_what_is_to_be_written(disk, phase):
    said = worked_off(disk, FillsOnce(disk, phase), JOBS)
    assert any("full" in text or "are free" in text for text in said)


@pytest.mark.parametrize("end", ["", RESULT, "log.emit(StepDone(4, 4))\n"])
def test_a_disk_that_the_trainer_fills_costs_one_attempt(disk, tmp_path, end):
    fills = FILLS.format(mark=str(tmp_path / "mark"), ballast=str(disk.folder / "ballast"))
    worked_off(disk, FillsOnce(disk, ""), (script_job("a", STEPS + fills + end), JOBS[1]))
    outputs = OutputsPaths(disk.folder / "train_tools")
    attempts = [folder.name for folder in sorted((outputs.folder / "jobs" / "a" / "attempts").iterdir())]
    assert attempts in (["001"], ["001", "002"])
