"""The queue file's schema as a list of steps. A step that was released is never edited; a new one is appended."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable


def m001_jobs(db: sqlite3.Connection) -> None:
    db.execute("create table meta(key text primary key, value text not null)")
    db.execute("insert into meta values('queue_id', ?)", (uuid.uuid4().hex,))
    db.execute(
        """create table job(
            id integer primary key autoincrement,
            kind text not null,
            title text not null,
            folder text not null,
            subject text not null,
            state text not null,
            attempt integer not null,
            losses integer not null default 0,
            position integer not null,
            slot text,
            host text,
            wish text,
            parent integer references job(id),
            phase text not null default '',
            step integer not null default 0,
            total_steps integer not null default 0,
            loss real,
            message text not null default '',
            queued_at real not null,
            started_at real,
            finished_at real,
            steps_started_at real,
            unique(parent, kind)
        )"""
    )
    db.execute("create index job_order on job(state, position, id)")
    db.execute("create index job_folder on job(folder)")


def m002_order(db: sqlite3.Connection) -> None:
    for column in (
        "priority integer not null default 0",
        "not_before real",
        "stop text",
        "exit_code integer",
        "grid text not null default ''",
        "stop_after_failures integer not null default 0",
    ):
        db.execute(f"alter table job add column {column}")
    db.execute("drop index job_order")
    db.execute("create index job_order on job(state, priority desc, position, id)")
    for name, order, rows in (
        ("job_waiting", "priority desc, position, id", "state in ('queued', 'paused')"),
        ("job_ended", "finished_at desc, position, id", "finished_at is not null"),
    ):
        db.execute(f"create index {name} on job({order}, state) where {rows}")
    db.execute("create index job_grid on job(grid, state) where grid <> ''")
    db.execute("create index job_position on job(position)")


def m003_first_step(db: sqlite3.Connection) -> None:
    db.execute("alter table job add column first_step integer not null default 1")


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (m001_jobs, m002_order, m003_first_step)


def migrate(db: sqlite3.Connection) -> int:
    """Brings an open queue file up to date and returns its schema number.

    One transaction: two processes that open a new file at once don't both create it.
    """
    if _number(db) >= len(MIGRATIONS):
        return _number(db)
    db.execute("begin immediate")
    try:
        for number, migration in enumerate(MIGRATIONS, start=1):
            if number > _number(db):
                migration(db)
                db.execute(f"pragma user_version={number}")
        db.execute("commit")
    except BaseException:
        db.execute("rollback")
        raise
    return _number(db)


def _number(db: sqlite3.Connection) -> int:
    return int(db.execute("pragma user_version").fetchone()[0])
