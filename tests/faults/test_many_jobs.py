"""Many small jobs, each a real process: all end, each once. `SOAK=1` makes it a thousand, and a halt a minute."""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from contextlib import closing

import pytest

from tests.jobs.script_job import script_job, script_worker
from train_tools.jobs.queue import Queue
from train_tools.jobs.slots import Slot
from train_tools.jobs.tree import COOKIE, bearers
from train_tools.model.job import JobState
from train_tools.model.paths import OutputsPaths

SOAK = bool(os.environ.get("SOAK"))
JOBS = 1000 if SOAK else 30
HALT_S = 60.0 if SOAK else 1.0
WRITE = "import os; open('../done', 'a').write(os.environ['SCRIPT'] + chr(10))"
HALT = f"""
import os, signal, time
supervisor = os.getppid()
os.kill(supervisor, signal.SIGSTOP)
if os.fork() == 0:  # outlives the job that it wakes the supervisor of
    os.environ.pop("{COOKIE}")
    os.setsid()
    os.execv("/bin/sh", ["sh", "-c", f"sleep {HALT_S}; kill -CONT {{supervisor}}"])
"""


@pytest.fixture
def outputs(tmp_path, monkeypatch) -> OutputsPaths:
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    return OutputsPaths(tmp_path / "outputs" / "train_tools")


def test_many_jobs_drain_and_none_is_lost(outputs):
    with closing(Queue(outputs.queue)) as queue:
        titles = [f"job {n}" for n in range(JOBS)]
        queue.add([script_job(title, WRITE) for title in titles])
        with closing(sqlite3.connect(outputs.queue)) as db, db:
            db.execute("create table ending(job integer)")
            db.execute(
                "create trigger ended after update of state on job when new.finished_at is not null"
                " begin insert into ending values(new.id); end"
            )
        slots = [Slot("cpu"), Slot("cpu-2")]
        script_worker(outputs, queue, slots=slots).run(until=lambda: not queue.waiting())
        assert {job.state for job in queue.jobs()} == {JobState.DONE}
        assert {job.attempt for job in queue.jobs()} == {1}
        assert sorted((outputs.folder / "jobs" / "done").read_text().splitlines()) == sorted(titles)
        with closing(sqlite3.connect(outputs.queue)) as db:
            assert db.execute("select count(*), count(distinct job) from ending").fetchone() == (JOBS, JOBS)
        assert [bearers(f"{queue.id}/{job.id}/1") for job in queue.jobs(limit=3)] == [[], [], []]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs signals that halt a process")
def test_a_halted_supervisor_is_waited_for(outputs):
    with closing(Queue(outputs.queue)) as queue:
        queue.add([script_job("a", HALT), script_job("b", WRITE)])
        begun = time.monotonic()
        script_worker(outputs, queue).run(until=lambda: not queue.waiting())
        assert time.monotonic() - begun >= HALT_S
        assert [(job.state, job.attempt) for job in queue.jobs()] == [(JobState.DONE, 1)] * 2
        assert queue.losses(1) == 0
