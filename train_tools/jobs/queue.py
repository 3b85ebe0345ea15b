"""The durable order of jobs in one SQLite file. Every change is one transaction; the attempt number is the
fencing token: an update that names an attempt that is no longer current changes nothing."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from train_tools.errors import JobMoveError, NotFoundError, StorageError
from train_tools.jobs.migrations import MIGRATIONS, migrate
from train_tools.model.job import ALLOWED_MOVES, Job, JobState, NewJob, Verdict, Wish

ACTIVE = tuple(state for state in JobState if state.active)
FINISHED = tuple(state for state in JobState if state.finished)
UNFINISHED = tuple(state for state in JobState if not state.finished)


class Queue:
    """The rows of one outputs folder. Open one per thread; any number of processes may."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time, patience_s: float = 20.0) -> None:
        """Opens or creates the file. Raises StorageError when it is damaged, newer than this program, or can't
        be written; each change does so when others hold the file longer than `patience_s`."""
        self.path = path
        self._clock = clock
        with _told(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=patience_s, isolation_level=None, check_same_thread=False)
            try:
                self.id = self._opened()
            except BaseException:
                self._db.close()
                raise

    def _opened(self) -> str:
        """Brings the file up to date and returns the queue's own name."""
        self._db.row_factory = sqlite3.Row
        self._db.execute("pragma journal_mode=wal")
        self._db.execute("pragma synchronous=full")
        schema = migrate(self._db)
        if schema > len(MIGRATIONS):
            raise StorageError(
                f"{self.path} was made by a newer Train Tools (format {schema}; this one knows "
                f"{len(MIGRATIONS)}). Use the newer version, or put the file aside and run "
                "`train-tools rescan`."
            )
        return str(self._db.execute("select value from meta where key='queue_id'").fetchone()[0])

    def close(self) -> None:
        self._db.close()

    # Adding and reading

    def add(self, jobs: Sequence[NewJob]) -> list[int]:
        """Puts jobs at the end, in order, and returns their numbers."""
        with self._transaction() as db:
            last = db.execute("select coalesce(max(position), 0) from job").fetchone()[0]
            return [self._insert(db, job, last + n, None) for n, job in enumerate(jobs, start=1)]

    def get(self, id_: int) -> Job:
        with _told(self.path):
            row = self._db.execute("select * from job where id=?", (id_,)).fetchone()
        if row is None:
            raise NotFoundError(f"There is no job {id_}. `train-tools jobs` lists the jobs there are.")
        return _job(row)

    def jobs(self, *, states: Sequence[JobState] = tuple(JobState), limit: int = -1) -> list[Job]:
        """Jobs in these states: active and waiting ones in the order they run, finished ones newest first."""
        with _told(self.path):
            rows = self._db.execute(
                f"select * from job where state in ({_marks(states)}) order by "
                "case when finished_at is null then 0 else 1 end, -coalesce(finished_at, 0), position, id "
                "limit ?",
                (*states, limit),
            ).fetchall()
        return [_job(row) for row in rows]

    def in_folder(self, folder: str, kind: str) -> Job | None:
        """The job of this kind that works in a folder (relative to the outputs folder), or None."""
        with _told(self.path):
            row = self._db.execute(
                "select * from job where folder=? and kind=? order by id desc limit 1", (folder, kind)
            ).fetchone()
        return _job(row) if row else None

    def below(self, folder: str, states: Sequence[JobState] = UNFINISHED) -> list[Job]:
        """Jobs in these states that work in a folder or below it, in the order they run."""
        with _told(self.path):
            rows = self._db.execute(
                f"select * from job where (folder=? or substr(folder, 1, ?)=?) and state in ({_marks(states)})"
                " order by position, id",
                (folder, len(folder) + 1, folder + "/", *states),
            ).fetchall()
        return [_job(row) for row in rows]

    def active(self) -> list[Job]:
        return self.jobs(states=ACTIVE)

    def waiting(self) -> int:
        with _told(self.path):
            return int(self._db.execute("select count(*) from job where state='queued'").fetchone()[0])

    # The life of an attempt

    def claim(self, slot: str, host: str) -> Job | None:
        """Takes the first queued job for a slot, with the next attempt number. Two workers never get the same."""
        with self._transaction() as db:
            row = db.execute(
                "update job set state='starting', attempt=attempt+1, slot=?, host=?, wish=null, phase='starting',"
                " step=0, loss=null, message='', started_at=?, finished_at=null, steps_started_at=null,"
                " first_step=1"
                " where id=(select id from job where state='queued' order by position, id limit 1) returning *",
                (slot, host, self._clock()),
            ).fetchone()
        return _job(row) if row else None

    def start(self, id_: int, attempt: int) -> bool:
        """The supervisor holds the lease: starting -> running. False = no longer this attempt's job."""
        return self._change(id_, attempt, (JobState.STARTING,), {"state": JobState.RUNNING})

    def progress(self, id_: int, attempt: int, **facts: Any) -> bool:
        """Writes step, total_steps, loss, phase, steps_started_at or first_step. False = no longer mine, stop."""
        self._db.execute("pragma synchronous=normal")  # progress may be lost in a power cut, moves may not
        try:
            return self._change(id_, attempt, ACTIVE, facts)
        finally:
            self._db.execute("pragma synchronous=full")

    def finish(
        self,
        id_: int,
        attempt: int,
        verdict: Verdict,
        follow_ups: Sequence[NewJob] = (),
        *,
        lost: bool = True,
    ) -> bool:
        """Ends an attempt and queues its follow-up jobs in one transaction. False = no longer mine.

        A verdict of QUEUED puts the job back at its place; unless somebody wished it, that is counted as a loss
        when `lost`. A follow-up that exists is queued again.
        """
        with self._transaction() as db:
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
                    "finished_at": None if requeued else self._clock(),
                },
            )
            for job in follow_ups:
                self._insert(db, job, row["position"], id_)
            return True

    def losses(self, id_: int) -> int:
        """How many attempts ended without saying why."""
        with _told(self.path):
            return int(self._db.execute("select losses from job where id=?", (id_,)).fetchone()[0])

    # What people ask for

    def cancel(self, id_: int) -> Job:
        """A waiting job is cancelled at once; an active one is wished to be. Finished ones are left alone."""
        return self._ask(id_, Wish.CANCEL)

    def interrupt(self, id_: int) -> Job:
        """An active job is to end early and go back to its place in the queue."""
        return self._ask(id_, Wish.REQUEUE)

    def retry(self, id_: int) -> Job:
        """Queues a finished job again, at the end. Raises JobMoveError when it is not finished."""
        with self._transaction() as db:
            row = self._row(db, id_)
            if not JobState(row["state"]).finished:
                raise JobMoveError(
                    f"Job {id_} ({row['title']}) is {row['state']}: only a finished job can be tried again."
                )
            self._update(db, row, self._queued_again(db))
        return self.get(id_)

    def forget(self, id_: int) -> None:
        """Removes a finished or waiting row; its files stay."""
        with self._transaction() as db:
            row = self._row(db, id_)
            if JobState(row["state"]).active:
                raise JobMoveError(f"Job {id_} ({row['title']}) is {row['state']}: stop it first.")
            db.execute("update job set parent=null where parent=?", (id_,))
            db.execute("delete from job where id=?", (id_,))

    def restore(self, job: NewJob, verdict: Verdict, finished_at: float) -> bool:
        """Adds a finished job found on disk, unless its folder has a row. For `rescan`."""
        with self._transaction() as db:
            if db.execute("select 1 from job where folder=? and kind=?", (job.folder, job.kind)).fetchone():
                return False
            position = db.execute("select coalesce(max(position), 0) + 1 from job").fetchone()[0]
            id_ = self._insert(db, job, position, None)
            db.execute(
                "update job set state=?, message=?, step=total_steps, finished_at=? where id=?",
                (verdict.state, verdict.message, finished_at, id_),
            )
        return True

    # One way to write

    def _ask(self, id_: int, wish: Wish) -> Job:
        with self._transaction() as db:
            row = self._row(db, id_)
            state = JobState(row["state"])
            if state.active:
                if row["wish"] != Wish.CANCEL:  # to end for good outweighs to end for now
                    db.execute("update job set wish=? where id=?", (wish, id_))
            elif wish is Wish.CANCEL and not state.finished:
                self._update(db, row, {"state": JobState.CANCELLED, "finished_at": self._clock()})
        return self.get(id_)

    def _insert(self, db: sqlite3.Connection, job: NewJob, position: int, parent: int | None) -> int:
        existing = db.execute(
            "select * from job where parent=? and kind=?", (parent, job.kind)
        ).fetchone()  # never true for parent None
        if existing:
            self._ask_again(db, existing, job, position)
            return int(existing["id"])
        return int(
            db.execute(
                "insert into job(kind, title, folder, subject, state, attempt, position, parent, total_steps,"
                " queued_at) values(?,?,?,?,?,?,?,?,?,?) returning id",
                (
                    job.kind,
                    job.title,
                    job.folder,
                    json.dumps(dict(job.subject), ensure_ascii=False),
                    JobState.QUEUED,
                    job.attempt,
                    position,
                    parent,
                    job.total_steps,
                    self._clock(),
                ),
            ).fetchone()[0]
        )

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
            "losses": 0,
            "step": 0,
            "message": "",
            "finished_at": None,
            "queued_at": self._clock(),
        }

    def _change(self, id_: int, attempt: int, states: Sequence[JobState], values: Mapping[str, Any]) -> bool:
        with self._transaction() as db:
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

    def _row(self, db: sqlite3.Connection, id_: int) -> sqlite3.Row:
        row: sqlite3.Row | None = db.execute("select * from job where id=?", (id_,)).fetchone()
        if row is None:
            raise NotFoundError(f"There is no job {id_}. `train-tools jobs` lists the jobs there are.")
        return row

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with _told(self.path):
            self._db.execute("begin immediate")
            try:
                yield self._db
                self._db.execute("commit")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("rollback")
                raise


def _marks(values: Sequence[object]) -> str:
    """As many question marks as there are values, for `in (...)`."""
    return ",".join("?" * len(values))


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Database errors as one sentence with what to do next."""
    try:
        yield
    except sqlite3.OperationalError as error:
        advice = {
            "database or disk is full": "Free some space on its disk, then start again; nothing is lost.",
            "database is locked": "Another program holds it: close that, then start again.",
        }.get(str(error), "Check that its folder exists and can be written.")
        raise StorageError(f"The queue file {path} can't be used: {error}. {advice}") from error
    except sqlite3.DatabaseError as error:
        raise StorageError(
            f"The queue file {path} is damaged: {error}. Put it aside and run `train-tools rescan`: finished "
            "runs are found again from their folders; only the order of waiting jobs is lost."
        ) from error
    except OSError as error:
        raise StorageError(f"The queue file {path} can't be made: {error.strerror or error}.") from error


def _not_allowed(row: sqlite3.Row, new: JobState) -> JobMoveError:
    return JobMoveError(f"Job {row['id']} ({row['title']}) is {row['state']} and can't become {new}.")


def _job(row: sqlite3.Row) -> Job:
    values = {key: row[key] for key in row.keys() if key != "losses"}  # noqa: SIM118 - Row is no dict
    return Job(
        **{
            **values,
            "subject": json.loads(row["subject"]),
            "state": JobState(row["state"]),
            "wish": Wish(row["wish"]) if row["wish"] else None,
        }
    )
