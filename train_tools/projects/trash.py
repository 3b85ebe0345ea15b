"""What was put away instead of deleted, each time in a folder of its own with a record of where it came from."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from train_tools.errors import NotFoundError, StorageError
from train_tools.files import storage_error, write_toml
from train_tools.model.project import Trashed
from train_tools.projects.records import read_record


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where it came from: a project, a version of one, or checkpoints of a version as `<run>/<name>`."""

    project: str
    version: str | None = None
    checkpoints: tuple[str, ...] = ()

    @property
    def what(self) -> str:
        if self.version is None:
            return f'project "{self.project}"'
        if self.checkpoints:
            what = "a checkpoint" if len(self.checkpoints) == 1 else f"{len(self.checkpoints)} checkpoints"
            return f'{what} of version "{self.version}" of "{self.project}"'
        return f'version "{self.version}" of "{self.project}"'


@dataclass(frozen=True)
class Trash:
    folder: Path
    now: Callable[[], datetime]

    def put(self, folder: Path, origin: Origin) -> Trashed:
        """Moves the folder in. Its token brings it back."""
        place = self._new_place(origin)
        try:
            folder.rename(place / "content")
        except OSError as error:
            shutil.rmtree(place, ignore_errors=True)
            raise storage_error(place, error) from error
        return self._described(place)

    def put_parts(self, parts: Mapping[str, Path], origin: Origin) -> Trashed:
        """Moves several files and folders in, all or none, under one token. A part's key is its path in there."""
        place = self._new_place(origin)
        try:
            (place / "content").mkdir()
            move_all({source: place / "content" / name for name, source in parts.items()})
        except OSError as error:
            shutil.rmtree(place, ignore_errors=True)
            raise storage_error(place, error) from error
        return self._described(place)

    def _new_place(self, origin: Origin) -> Path:
        moment = self.now()
        place = self.folder / f"{moment:%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:8]}"
        try:
            place.mkdir(parents=True)
            write_toml(place / "trashed.toml", {"format": 1, "trashed": moment, **_recorded(origin)})
        except OSError as error:
            raise storage_error(place, error) from error
        except StorageError:
            shutil.rmtree(place, ignore_errors=True)
            raise
        return place

    def list(self) -> tuple[Trashed, ...]:
        """What can be brought back, put away last first. What isn't whole is left out."""
        places = self.folder.iterdir() if self.folder.is_dir() else ()
        whole = [self._described(place) for place in places if _is_whole(place)]
        return tuple(sorted(whole, key=lambda trashed: (trashed.trashed, trashed.token), reverse=True))

    def content(self, token: str) -> tuple[Path, Origin]:
        """The folder that was put away, or that holds the parts, and where it came from. Raises NotFoundError."""
        place = self._place(token)
        return place / "content", _origin(read_record(place / "trashed.toml"))

    def forget(self, token: str) -> None:
        """Deletes for good: the content, unless it was taken out, and the record."""
        place = self._place(token)
        try:
            shutil.rmtree(place)
        except OSError as error:
            raise storage_error(place, error) from error

    def _place(self, token: str) -> Path:
        places = self.folder.iterdir() if self.folder.is_dir() else ()
        for place in places:
            if place.name == token:
                return place
        raise NotFoundError(
            f"Nothing with the token {token!r} is in the trash. It was brought back or deleted already."
        )

    def _described(self, place: Path) -> Trashed:
        content, origin = self.content(place.name)
        return Trashed(
            token=place.name,
            what=origin.what,
            trashed=read_record(place / "trashed.toml")["trashed"],
            size_bytes=size_of(file for file in content.rglob("*") if not file.is_dir()),
        )


def size_of(files: Iterable[Path]) -> int:
    """How many bytes they take; a file that has several names among them counts once."""
    found = {(status.st_dev, status.st_ino): status.st_size for status in (file.lstat() for file in files)}
    return sum(found.values())


def move_all(moves: Mapping[Path, Path]) -> None:
    """Moves all of these or, when one can't be moved, none. Raises OSError. Nothing may be at the targets."""
    done: list[tuple[Path, Path]] = []
    try:
        for source, target in moves.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            source.rename(target)
            done.append((source, target))
    except OSError:
        for source, target in reversed(done):
            target.rename(source)
        raise


def _recorded(origin: Origin) -> dict[str, Any]:
    """Checkpoints are told in keys of their own: an older Train Tools must not take them for a version."""
    if origin.checkpoints:
        return {"checkpoints": list(origin.checkpoints), "of": [origin.project, origin.version]}
    version = {} if origin.version is None else {"version": origin.version}
    return {"project": origin.project, **version}


def _origin(record: Mapping[str, Any]) -> Origin:
    if "checkpoints" in record:
        project, version = record["of"]
        return Origin(project=project, version=version, checkpoints=tuple(record["checkpoints"]))
    return Origin(project=record["project"], version=record.get("version"))


def _is_whole(place: Path) -> bool:
    try:
        record = read_record(place / "trashed.toml")
    except StorageError:
        return False
    known = {"project", "trashed"} <= record.keys() or {"checkpoints", "of", "trashed"} <= record.keys()
    return known and (place / "content").is_dir()
