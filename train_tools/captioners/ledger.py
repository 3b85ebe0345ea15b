"""What was written for which original, and what its caption was before: so that a job goes on where it was, the
user's own words are never taken for a captioner's, and all of it can be undone.

One line for each caption that is written, before it is written; a line that was cut off counts for nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from train_tools.datasets.captions import caption_beside, read_caption
from train_tools.errors import DatasetNotUsableError, StorageError
from train_tools.files import storage_error, write_text
from train_tools.model.captioning import CaptionsUndone, ExistingCaption
from train_tools.model.paths import VersionPaths

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One caption of ours."""

    picture: str
    """Its path below origin, with slashes."""
    stamp: tuple[int, int]
    """Bytes and time of the picture it was written for."""
    key: str
    """Of the settings."""
    round: str
    """Which of the times that it was asked for anew."""
    own: str
    """The user's own caption."""
    had_file: bool
    """Whether that lay in the .txt which ours took the place of."""
    written: str


def joined(own: str, generated: str, existing: ExistingCaption, join: str) -> str:
    """The caption of a picture whose own one is `own` (S1-19)."""
    if existing is ExistingCaption.COPY and own:
        return own
    if existing is ExistingCaption.PREPEND:
        return join.join(filter(None, (own, generated)))
    if existing is ExistingCaption.APPEND:
        return join.join(filter(None, (generated, own)))
    return generated


class Ledger:
    """The ledger of a version."""

    def __init__(self, version: VersionPaths) -> None:
        self._origin = version.origin
        self._file = version.captioned
        self._entries = _entries_in(self._file)

    def own_caption(self, picture: Path) -> str:
        """What the user has written, which is not what stands there while that is ours. Raises
        DatasetNotUsableError for a caption that can't be read."""
        now, entry = _caption_now(picture), self._entries.get(self._name(picture))
        return entry.own if entry and now == entry.written else now

    def holds_own(self, picture: Path) -> bool:
        """Whether what stands there is the user's."""
        entry = self._entries.get(self._name(picture))
        return entry is None or _caption_now(picture) != entry.written

    def is_written(self, picture: Path, key: str, round_: str) -> bool:
        """Whether the picture, as it is, has been captioned with these settings, in this round where one is
        named, and still has a caption: what the user made of it since stays."""
        entry = self._entries.get(self._name(picture))
        if entry is None or entry.key != key or (round_ and entry.round != round_):
            return False
        return entry.stamp == _stamp(picture) and caption_beside(picture) is not None

    def write(self, picture: Path, caption: str, own: str, key: str, round_: str) -> None:
        """Writes a caption, and notes first what was there. Raises StorageError."""
        target, name = picture.with_suffix(".txt"), self._name(picture)
        before = self._entries.get(name)
        entry = Entry(
            picture=name,
            stamp=_stamp(picture),
            key=key,
            round=round_,
            own=own,
            had_file=target.is_file() if before is None or self.holds_own(picture) else before.had_file,
            written=caption,
        )
        self._append(asdict(entry))
        self._entries[name] = entry
        write_text(target, f"{caption}\n")

    def undo(self) -> CaptionsUndone:
        """Puts back what the user had written. Captions that were changed since are left alone."""
        restored, left = 0, []
        for entry in list(self._entries.values()):
            picture = self._origin / entry.picture
            target = picture.with_suffix(".txt")
            if not target.is_file():
                continue
            if _caption_or_nothing(picture) != entry.written:
                left.append(entry.picture)
                continue
            try:
                write_text(target, f"{entry.own}\n") if entry.had_file else target.unlink()
            except OSError as error:
                raise storage_error(target, error) from error
            restored += 1
        with contextlib.suppress(FileNotFoundError):
            self._file.unlink()
        self._entries.clear()
        return CaptionsUndone(restored=restored, left=tuple(left))

    def _append(self, record: Mapping[str, Any]) -> None:
        line = json.dumps({"format": FORMAT, **record}, ensure_ascii=True)
        try:
            with self._file.open("ab+") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
                torn = file.read(1) not in (b"", b"\n")  # the line of a process that was killed ends here
                file.write((b"\n" if torn else b"") + line.encode("ascii") + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise storage_error(self._file, error) from error

    def _name(self, picture: Path) -> str:
        return picture.relative_to(self._origin).as_posix()


def _entries_in(file: Path) -> dict[str, Entry]:
    try:
        lines = file.read_bytes().split(b"\n")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StorageError(f"Could not read {file}: {error.strerror or error}.") from error
    entries = {}
    for line in filter(None, lines):
        entry = _entry_in(line, file)
        if entry:
            entries[entry.picture] = entry
    return entries


def _entry_in(line: bytes, file: Path) -> Entry | None:
    try:
        record = json.loads(line)
        if record["format"] > FORMAT:
            raise StorageError(f"{file} was written by a newer Train Tools; use that one.")
        values = {each.name: record[each.name] for each in fields(Entry)}
        return Entry(**{**values, "stamp": tuple(values["stamp"])})
    except StorageError:
        raise
    except (ValueError, KeyError, TypeError):
        return None


def _caption_now(picture: Path) -> str:
    path = caption_beside(picture)
    return read_caption(path) if path else ""


def _caption_or_nothing(picture: Path) -> str | None:
    try:
        return _caption_now(picture)
    except DatasetNotUsableError:
        return None


def _stamp(picture: Path) -> tuple[int, int]:
    try:
        found = picture.stat()
    except OSError as error:
        raise DatasetNotUsableError(f"{picture} can't be read: {error.strerror or error}.") from error
    return found.st_size, found.st_mtime_ns
