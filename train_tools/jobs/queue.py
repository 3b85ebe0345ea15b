"""The durable order of jobs in one SQLite file. Every change is one transaction; the attempt number is the
fencing token: an update that names an attempt that is no longer current changes nothing."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from train_tools.errors import JobMoveError, NotFoundError, OptionValueError
from train_tools.jobs.rows.file import QueueFile
from train_tools.jobs.rows.order import ORDER, WAITING, move, place_of
from train_tools.model.job import ALLOWED_MOVES, Job, JobState, NewJob, Stop, Verdict, Wish

ACTIVE = tuple(state for state in JobState if state.active)
FINISHED = tuple(state for state in JobState if state.finished)
UNFINISHED = tuple(state for state in JobState if not state.finished)
IDLE = (JobState.QUEUED, JobState.PAUSED)
SECTIONS: Sequence[tuple[Sequence[JobState], str, str, str]] = (
    (ACTIVE, "job_order", f"state in ('{JobState.STARTING}', '{JobState.RUNNING}')", ORDER),
    (IDLE, "job_waiting", WAITING, ORDER),
    (FINISHED, "job_ended", "finished_at is not null", "finished_at desc, position, id"),
)
"""How a list of jobs is told: whose states, by which index they are found, in which order."""
PRIORITIES = range(-1000, 1001)
LATEST = 32_503_680_000.0
"""The year 3000: no calendar of this machine ends before it."""
PAUSED, WAITS = "paused", "waits"


@dataclass(frozen=True)
class Kinds:
    """Some kinds of job, or all but these."""

    names: frozenset[str]
    excluded: bool = False

    @property
    def condition(self) -> str:
        """To stand behind others in a query."""
        marks = _marks(sorted(self.names))
        return f" and kind {'not in' if self.excluded else 'in'} ({marks})"

    @property
    def values(self) -> tuple[str, ...]:
        return tuple(sorted(self.names))


ALL_KINDS = Kinds(frozenset(), excluded=True)


class Queue:
    """The rows of one outputs folder. Open one per thread; any number of processes may."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time, patience_s: float = 20.0) -> None:
        """Opens or creates the file. Raises StorageError when it is damaged, newer than this program, or can't
        be written; this and each change raise NotNowError when others hold the file longer than `patience_s` or
        its disk is full."""
        self.path = path
        self._clock = clock
        self._file = QueueFile(path, patience_s)

    @property
    def id(self) -> str:
        return self._file.id

    def close(self) -> None:
        self._file.close()

    # Adding and reading

    def add(self, jobs: Sequence[NewJob]) -> list[int]:
        """Puts jobs at the end, in order, and returns their numbers."""
        with self._file.changing() as db:
            last = db.execute("select coalesce(max(position), 0) from job").fetchone()[0]
            return [self._insert(db, job, last + n, None) for n, job in enumerate(jobs, start=1)]

    def get(self, id_: int) -> Job:
        with self._file.reading() as db:
            row = self._row(db, id_)
            return _job(row, place_of(db, row))

    def jobs(self, *, states: Sequence[JobState] = tuple(JobState), limit: int = -1, offset: int = 0) -> list[Job]:
        """Jobs in these states: active and waiting ones in the order they run, finished ones newest first."""
        found: list[Job] = []
        with self._file.reading() as db:
            for members, index, where, order in SECTIONS:
                wanted = [state for state in members if state in states]
                if not wanted or len(found) == limit:
                    continue
                section = f"job indexed by {index} where {where} and +state in ({_marks(wanted)})"
                counted = db.execute(f"select count(*) from {section}", wanted).fetchone()[0] if offset else 0
                if offset and offset >= counted:
                    offset -= counted
                    continue
                rows = db.execute(
                    f"select * from {section} order by {order} limit ? offset ?",
                    (*wanted, limit - len(found) if limit >= 0 else -1, offset),
                ).fetchall()
                found += _placed(db, rows)
                offset = 0
        return found

    def in_folder(self, folder: str, kind: str) -> Job | None:
        """The job of this kind that works in a folder (relative to the outputs folder), or None."""
        with self._file.reading() as db:
            row = db.execute(
                "select * from job where folder=? and kind=? order by id desc limit 1", (folder, kind)
            ).fetchone()
            return _job(row, place_of(db, row)) if row else None

    def below(self, folder: str, states: Sequence[JobState] = UNFINISHED) -> list[Job]:
        """Jobs in these states that work in a folder or below it, in the order they run; without their places."""
        with self._file.reading() as db:
            rows = db.execute(
                f"select * from job where (folder=? or substr(folder, 1, ?)=?) and state in ({_marks(states)})"
                f" order by {ORDER}",
                (folder, len(folder) + 1, folder + "/", *states),
            ).fetchall()
        return [_job(row, None) for row in rows]

    def active(self) -> list[Job]:
        return self.jobs(states=ACTIVE)

    def waiting(self, kinds: Kinds = ALL_KINDS) -> int:
        """How many of these kinds wait for their turn; paused ones don't."""
        with self._file.reading() as db:
            return int(
                db.execute(
                    f"select count(*) from job where state='queued'{kinds.condition}", kinds.values
                ).fetchone()[0]
            )

    def next_start(self, kinds: Kinds = ALL_KINDS) -> float | None:
        """When the first of the jobs of these kinds that wait for a time may start; None when one may at once, or
        none waits."""
        with self._file.reading() as db:
            row = db.execute(
                f"select min(coalesce(not_before, 0)) from job where state='queued'{kinds.condition}", kinds.values
            ).fetchone()
        return float(row[0]) if row[0] and row[0] > self._clock() else None

    # The life of an attempt

    def claim(self, slot: str, host: str, kinds: Kinds = ALL_KINDS) -> Job | None:
        """Takes the first queued job of these kinds for a slot, with the next attempt number; None while the queue
        is paused. Two workers never get the same.

        A job that may not start yet is passed over: a clock that is set back only makes it wait longer.
        """
        with self._file.changing() as db:
            row = db.execute(
                "update job set state='starting', attempt=attempt+1, slot=?, host=?, wish=null, stop=null,"
                " phase='starting', step=0, loss=null, message='', exit_code=null, not_before=null, started_at=?,"
                " finished_at=null, steps_started_at=null, first_step=1"
                " where id=(select id from job where state='queued' and (not_before is null or not_before<=?)"
                f"{kinds.condition} order by {ORDER} limit 1)"
                " and not exists(select 1 from meta where key=?) returning *",
                (slot, host, self._clock(), self._clock(), *kinds.values, PAUSED),
            ).fetchone()
        return _job(row, None) if row else None

    def start(self, id_: int, attempt: int) -> bool:
        """The supervisor holds the lease: starting -> running. False = no longer this attempt's job."""
        return self._change(id_, attempt, (JobState.STARTING,), {"state": JobState.RUNNING})

    def progress(self, id_: int, attempt: int, **facts: Any) -> bool:
        """Writes step, total_steps, loss, phase, steps_started_at or first_step. False = no longer mine, stop."""
        return self._change(id_, attempt, ACTIVE, facts, lasting=False)

    def finish(
        self,
        id_: int,
        attempt: int,
        verdict: Verdict,
        follow_ups: Sequence[NewJob] = (),
        *,
        lost: bool = True,
        exit_code: int | None = None,
    ) -> bool:
        """Ends an attempt, queues its follow-up jobs, and takes out the rest of its grid when too many have
        failed: all in one transaction. False = no longer mine.

        A verdict of QUEUED or PAUSED puts the job back at its place; unless somebody wished it, that is counted as
        a loss when `lost`. A follow-up that exists is queued again.
        """
        with self._file.changing() as db:
            row = self._current(db, id_, attempt, ACTIVE)
            if row is None:
                return False
            if verdict.state.active:
                raise _not_allowed(row, verdict.state)
            requeued = verdict.state is JobState.QUEUED
            self._update(
                db,
                row,
                {
                    "state": verdict.state,
                    "message": verdict.message,
                    "phase": "",
                    "slot": None,
                    "losses": row["losses"] + (requeued and lost and row["wish"] is None),
                    "wish": None,
                    "stop": None,
                    "exit_code": exit_code,
                    "finished_at": self._clock() if verdict.state.finished else None,
                },
            )
            for job in follow_ups:
                self._insert(db, job, row["position"], id_)
            if verdict.state is JobState.FAILED and row["grid"] and row["stop_after_failures"]:
                self._count_failures(db, row["grid"], row["stop_after_failures"])
            return True

    def losses(self, id_: int) -> int:
        """How many attempts ended without saying why."""
        with self._file.reading() as db:
            return int(self._row(db, id_)["losses"])

    # What people ask of a job

    def cancel(self, id_: int, stop: Stop = Stop.STEP) -> Job:
        """A waiting job is cancelled at once; an active one is wished to be. Finished ones are left alone."""
        with self._asked(id_) as (db, row):
            state = JobState(row["state"])
            if state.active:
                self._wish(db, row, Wish.CANCEL, stop)
            elif not state.finished:
                self._update(db, row, {"state": JobState.CANCELLED, "finished_at": self._clock()})
        return self.get(id_)

    def interrupt(self, id_: int, stop: Stop = Stop.STEP) -> Job:
        """An active job is to end early and go back to its place in the queue."""
        with self._asked(id_) as (db, row):
            if JobState(row["state"]).active:
                self._wish(db, row, Wish.REQUEUE, stop)
        return self.get(id_)

    def pause(self, id_: int, stop: Stop = Stop.STEP) -> Job:
        """A waiting job is passed over until it is resumed; an active one stops first and keeps its place. Raises
        JobMoveError when it is finished."""
        with self._asked(id_) as (db, row):
            state = JobState(row["state"])
            if state.active:
                self._wish(db, row, Wish.PAUSE, stop)
            elif state.finished:
                raise JobMoveError(f"{_named(row)} is {state}: only a job that waits or runs can be paused.")
            else:
                self._update(db, row, {"state": JobState.PAUSED})
        return self.get(id_)

    def resume(self, id_: int) -> Job:
        """A paused job waits at its place again; one that is about to pause comes back to it. Raises JobMoveError
        when it is neither."""
        with self._asked(id_) as (db, row):
            if row["wish"] == Wish.PAUSE:
                db.execute("update job set wish=? where id=?", (Wish.REQUEUE, id_))
            elif row["state"] == JobState.PAUSED:
                self._update(db, row, {"state": JobState.QUEUED})
            else:
                raise JobMoveError(f"{_named(row)} is {row['state']}: only a paused job can be resumed.")
        return self.get(id_)

    def retry(self, id_: int) -> Job:
        """Queues a finished job again, at the end. Raises JobMoveError when it is not finished."""
        with self._asked(id_) as (db, row):
            if not JobState(row["state"]).finished:
                raise JobMoveError(f"{_named(row)} is {row['state']}: only a finished job can be tried again.")
            self._update(db, row, self._queued_again(db))
        return self.get(id_)

    def forget(self, id_: int) -> None:
        """Removes a finished or waiting row; its files stay."""
        with self._asked(id_) as (db, row):
            if JobState(row["state"]).active:
                raise JobMoveError(f"{_named(row)} is {row['state']}: stop it first.")
            db.execute("update job set parent=null where parent=?", (id_,))
            db.execute("delete from job where id=?", (id_,))

    def move(self, id_: int, *, before: int | None = None, place: int | None = None) -> Job:
        """Puts a waiting job before another one, or to a place (1 = the next to start), or to the end.

        Its priority gives way where the place needs another. Raises JobMoveError when one of them does not wait.
        """
        with self._asked(id_) as (db, row):
            self._refuse_if_not_waiting(row)
            if before is not None:
                self._refuse_if_not_waiting(self._row(db, before))
            if before != id_:
                move(db, id_, before=before, place=place)
        return self.get(id_)

    def prioritise(self, id_: int, priority: int) -> Job:
        """Jobs of a higher priority go first. Raises JobMoveError when the job is finished."""
        if priority not in PRIORITIES:
            raise OptionValueError(
                f"The priority {priority} can't be used: whole numbers from {PRIORITIES[0]} to {PRIORITIES[-1]} "
                "can, and 0 is what a job has that nobody gave another."
            )
        with self._asked(id_) as (db, row):
            if JobState(row["state"]).finished:
                raise JobMoveError(f"{_named(row)} is {row['state']}: it does not wait for anything.")
            db.execute("update job set priority=? where id=?", (priority, id_))
        return self.get(id_)

    def schedule(self, id_: int, not_before: float | None) -> Job:
        """Lets a waiting job start at a time (seconds since the epoch) at the earliest; None = in its turn."""
        if not_before is not None and not 0 <= not_before <= LATEST:
            raise OptionValueError(f"A job can't be told to wait until {not_before}: that is no time before 3000.")
        with self._asked(id_) as (db, row):
            self._refuse_if_not_waiting(row)
            db.execute("update job set not_before=? where id=?", (not_before, id_))
        return self.get(id_)

    def stop_after_failures(self, grid: str, failures: int) -> None:
        """From now on the waiting jobs of a grid are taken out when so many of it have failed; 0 = never."""
        with self._file.changing() as db:
            db.execute("update job set stop_after_failures=? where grid=?", (failures, grid))

    def restore(self, job: NewJob, verdict: Verdict, finished_at: float) -> bool:
        """Adds a finished job found on disk, unless its folder has a row. For `rescan`."""
        with self._file.changing() as db:
            if db.execute("select 1 from job where folder=? and kind=?", (job.folder, job.kind)).fetchone():
                return False
            position = db.execute("select coalesce(max(position), 0) + 1 from job").fetchone()[0]
            id_ = self._insert(db, job, position, None)
            db.execute(
                "update job set state=?, message=?, step=total_steps, finished_at=? where id=?",
                (verdict.state, verdict.message, finished_at, id_),
            )
        return True

    # What people ask of the queue

    def pause_all(self, reason: str = "") -> None:
        """Nothing more is started until `resume_all`; what runs goes on."""
        self._file.note(PAUSED, reason)

    def resume_all(self) -> None:
        self._file.note(PAUSED, None)

    @property
    def paused(self) -> str | None:
        """Why it was paused, in the words of whoever did; None when it is not."""
        return self._file.noted(PAUSED)

    @property
    def waits(self) -> str:
        """Why the worker starts nothing although jobs wait; empty when it does."""
        return self._file.noted(WAITS) or ""

    def note_waits(self, reason: str) -> None:
        self._file.note(WAITS, reason or None)

    # One way to write

    @contextmanager
    def _asked(self, id_: int) -> Iterator[tuple[sqlite3.Connection, sqlite3.Row]]:
        """A change to one row. NotFoundError when there is none."""
        with self._file.changing() as db:
            yield db, self._row(db, id_)

    def _wish(self, db: sqlite3.Connection, row: sqlite3.Row, wish: Wish, stop: Stop) -> None:
        """To end for good outweighs to end for now; a stop only gets more urgent."""
        if wish.outweighs(Wish(row["wish"]) if row["wish"] else None):
            db.execute("update job set wish=? where id=?", (wish, row["id"]))
        if stop.outweighs(Stop(row["stop"]) if row["stop"] else None):
            db.execute("update job set stop=? where id=?", (stop, row["id"]))

    def _count_failures(self, db: sqlite3.Connection, grid: str, limit: int) -> None:
        """Takes the waiting jobs of a grid out with every `limit`-th failure: whoever tries the rest again is
        given as many failures once more."""
        failed = db.execute("select count(*) from job where grid=? and state='failed'", (grid,)).fetchone()[0]
        if failed % limit:
            return
        for row in db.execute(f"select * from job where grid=? and {WAITING}", (grid,)).fetchall():
            message = (
                f"{failed} run{'s' * (failed > 1)} of {grid.rpartition('/')[2]} failed, so the rest was taken "
                f"out. `train-tools retry {row['id']}` tries this one, submitting the grid again all of them."
            )
            self._update(db, row, {"state": JobState.CANCELLED, "message": message, "finished_at": self._clock()})

    def _insert(self, db: sqlite3.Connection, job: NewJob, position: int, parent: int | None) -> int:
        existing = db.execute(
            "select * from job where parent=? and kind=?", (parent, job.kind)
        ).fetchone()  # never true for parent None
        if existing:
            self._ask_again(db, existing, job, position)
            return int(existing["id"])
        values = {
            "kind": job.kind,
            "title": job.title,
            "folder": job.folder,
            "subject": json.dumps(dict(job.subject), ensure_ascii=False),
            "state": JobState.QUEUED,
            "attempt": job.attempt,
            "position": position,
            "priority": job.priority,
            "not_before": job.not_before,
            "grid": job.grid,
            "stop_after_failures": job.stop_after_failures,
            "parent": parent,
            "total_steps": job.total_steps,
            "queued_at": self._clock(),
        }
        cursor = db.execute(
            f"insert into job({', '.join(values)}) values({_marks(values)})", tuple(values.values())
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def _ask_again(self, db: sqlite3.Connection, row: sqlite3.Row, job: NewJob, position: int) -> None:
        """A job that is there already waits again, for what is asked of it now; an active one is left alone."""
        state = JobState(row["state"])
        if state.active:
            return
        values: dict[str, Any] = {
            "title": job.title,
            "subject": json.dumps(dict(job.subject), ensure_ascii=False),
            "total_steps": job.total_steps,
        }
        if state.finished:
            values |= {**self._queued_again(db), "position": position}
        self._update(db, row, values)

    def _queued_again(self, db: sqlite3.Connection) -> dict[str, Any]:
        return {
            "state": JobState.QUEUED,
            "position": db.execute("select max(position) + 1 from job").fetchone()[0],
            "not_before": None,
            "losses": 0,
            "step": 0,
            "message": "",
            "exit_code": None,
            "finished_at": None,
            "queued_at": self._clock(),
        }

    def _change(
        self,
        id_: int,
        attempt: int,
        states: Sequence[JobState],
        values: Mapping[str, Any],
        *,
        lasting: bool = True,
    ) -> bool:
        with self._file.changing(lasting=lasting) as db:
            row = self._current(db, id_, attempt, states)
            if row is not None:
                self._update(db, row, values)
        return row is not None

    def _current(
        self, db: sqlite3.Connection, id_: int, attempt: int, states: Sequence[JobState]
    ) -> sqlite3.Row | None:
        row: sqlite3.Row | None = db.execute(
            f"select * from job where id=? and attempt=? and state in ({_marks(states)})", (id_, attempt, *states)
        ).fetchone()
        return row

    def _update(self, db: sqlite3.Connection, row: sqlite3.Row, values: Mapping[str, Any]) -> None:
        """The one place where a row's state changes; knows the allowed moves."""
        old, new = JobState(row["state"]), JobState(values.get("state", row["state"]))
        if new is not old and new not in ALLOWED_MOVES[old]:
            raise _not_allowed(row, new)
        assignments = ", ".join(f"{column}=?" for column in values)
        db.execute(f"update job set {assignments} where id=?", (*values.values(), row["id"]))

    @staticmethod
    def _row(db: sqlite3.Connection, id_: int) -> sqlite3.Row:
        row: sqlite3.Row | None = db.execute("select * from job where id=?", (id_,)).fetchone()
        if row is None:
            raise NotFoundError(f"There is no job {id_}. `train-tools jobs` lists the jobs there are.")
        return row

    @staticmethod
    def _refuse_if_not_waiting(row: sqlite3.Row) -> None:
        if row["state"] not in IDLE:
            raise JobMoveError(f"{_named(row)} is {row['state']}: only a waiting job has a place in the queue.")


def _marks(values: Sequence[object] | Mapping[str, object]) -> str:
    """As many question marks as there are values, for `in (...)`."""
    return ",".join("?" * len(values))


def _named(row: sqlite3.Row) -> str:
    return f"Job {row['id']} ({row['title']})"


def _not_allowed(row: sqlite3.Row, new: JobState) -> JobMoveError:
    return JobMoveError(f"{_named(row)} is {row['state']} and can't become {new}.")


def _placed(db: sqlite3.Connection, rows: Sequence[sqlite3.Row]) -> Iterator[Job]:
    """Neighbours in the order they run, with their places."""
    place: int | None = None
    for row in rows:
        if row["state"] == JobState.QUEUED:
            place = place_of(db, row) if place is None else place + 1
            yield _job(row, place)
        else:
            yield _job(row, None)


def _job(row: sqlite3.Row, place: int | None) -> Job:
    values = dict(zip(row.keys(), row, strict=True))
    del values["losses"]
    values["place"] = place
    values["subject"] = json.loads(values["subject"])
    values["state"] = JobState(values["state"])
    values["wish"] = Wish(values["wish"]) if values["wish"] else None
    values["stop"] = Stop(values["stop"]) if values["stop"] else None
    return Job(**values)
