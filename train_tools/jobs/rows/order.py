"""The order of waiting jobs: highest priority first, then position, then number. No clock has a say in it."""

from __future__ import annotations

import sqlite3
from itertools import pairwise

ORDER = "priority desc, position, id"
WAITING = "state in ('queued', 'paused')"
"""As the index `job_waiting` is written: only so does SQLite use it."""


def place_of(db: sqlite3.Connection, row: sqlite3.Row) -> int | None:
    """1 for the job that is next to start; None for one that does not wait for its turn."""
    if row["state"] != "queued":
        return None
    ahead = db.execute(
        "select count(*) from job where state='queued' and priority>=? and"
        " (priority>? or position<? or (position=? and id<?))",
        (row["priority"], row["priority"], row["position"], row["position"], row["id"]),
    ).fetchone()[0]
    return int(ahead) + 1


def move(db: sqlite3.Connection, id_: int, *, before: int | None, place: int | None) -> None:
    """Puts a waiting job before another, or to a place (1 = next to start), or to the end.

    It keeps its priority where that fits its new neighbours, else it takes the nearest that does. The positions
    that waiting jobs have are dealt out anew among them, so that one that now runs still comes back to its own
    place.
    """
    rows = db.execute(f"select id, state, priority, position from job where {WAITING} order by {ORDER}").fetchall()
    moved = next(row for row in rows if row["id"] == id_)
    others = [row for row in rows if row["id"] != id_]
    at = _index(others, before, place)
    priority = _fitting(moved["priority"], others[:at], others[at:])
    positions = _distinct(sorted(row["position"] for row in rows))
    order = [*others[:at], moved, *others[at:]]
    was = {row["id"]: row["position"] for row in rows}
    db.executemany(
        "update job set position=? where id=?",
        [(to, row["id"]) for row, to in zip(order, positions, strict=True) if was[row["id"]] != to],
    )
    db.execute("update job set priority=? where id=?", (priority, id_))


def _index(others: list[sqlite3.Row], before: int | None, place: int | None) -> int:
    """Where among the others it goes; a place counts those only that wait for their turn."""
    if before is not None:
        return next(at for at, row in enumerate(others) if row["id"] == before)
    if place is not None:
        queued = [at for at, row in enumerate(others) if row["state"] == "queued"]
        return queued[max(0, place - 1)] if place <= len(queued) else len(others)
    return len(others)


def _fitting(priority: int, ahead: list[sqlite3.Row], behind: list[sqlite3.Row]) -> int:
    if behind:
        priority = max(priority, behind[0]["priority"])
    return min(priority, ahead[-1]["priority"]) if ahead else priority


def _distinct(positions: list[int]) -> list[int]:
    """The same numbers, raised where two are equal: a job that follows another shares its position."""
    raised = positions[:1]
    for _, position in pairwise(positions):
        raised.append(max(position, raised[-1] + 1))
    return raised
