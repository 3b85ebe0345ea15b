"""project.toml and version.toml: when it was made, notes, and whatever else lies in there, which is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from train_tools.errors import StorageError
from train_tools.files import read_toml, write_toml

FORMAT = 2
"""2: mirrored copies are made unless the record says otherwise (S1-20); in 1 it was the other way round."""


@dataclass(frozen=True, kw_only=True)
class About:
    """What a record says about its folder; `problem` when it can't be read."""

    created: datetime
    notes: str = ""
    problem: str = ""


def read_record(path: Path) -> dict[str, Any]:
    """The record's table, {} when there is none. Raises StorageError when it is broken or newer than we are."""
    if not path.exists():
        return {}
    record = read_toml(path)
    written = record.get("format", FORMAT)
    if not isinstance(written, int) or written > FORMAT:
        raise StorageError(
            f"{path} has format {written!r}; this Train Tools reads formats up to {FORMAT}. "
            "Open it with the newer Train Tools that wrote it."
        )
    return record


def change_record(path: Path, changes: Mapping[str, Any]) -> None:
    """Rewrites the record with these keys changed; the others stay as they are."""
    write_toml(path, {"format": FORMAT, **read_record(path), **changes})


def about(folder: Path, path: Path) -> About:
    """Who made the folder doesn't matter: without a record, or with a broken one, its own time counts."""
    try:
        record = read_record(path)
        return About(created=_created(folder, path, record), notes=_notes(path, record))
    except StorageError as error:
        return About(created=_modified(folder), problem=str(error))


def _created(folder: Path, path: Path, record: Mapping[str, Any]) -> datetime:
    created = record.get("created", _modified(folder))
    if not isinstance(created, datetime):
        raise StorageError(
            f"{path}: created = {created!r} is not a date with a time, such as 2026-01-31T12:00:00Z. "
            "Mend the line, or delete it."
        )
    return created if created.tzinfo else created.replace(tzinfo=UTC)


def _notes(path: Path, record: Mapping[str, Any]) -> str:
    notes = record.get("notes", "")
    if not isinstance(notes, str):
        raise StorageError(f"{path}: notes = {notes!r} is not a text. Put it in quotes, or delete the line.")
    return notes


def _modified(folder: Path) -> datetime:
    try:
        return datetime.fromtimestamp(folder.stat().st_mtime, UTC)
    except OSError:
        return datetime.fromtimestamp(0, UTC)
