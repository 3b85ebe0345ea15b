"""Folders put away instead of deleted, each in a folder of its own with a record of where it came from."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from train_tools.errors import NotFoundError, StorageError
from train_tools.files import storage_error, write_toml
from train_tools.model.project import Trashed
from train_tools.projects.records import read_record


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a folder came from: a project, or a version of one."""

    project: str
    version: str | None = None

    @property
    def what(self) -> str:
        if self.version is None:
            return f'project "{self.project}"'
        return f'version "{self.version}" of "{self.project}"'


@dataclass(frozen=True)
class Trash:
    folder: Path
    now: Callable[[], datetime]

    def put(self, folder: Path, origin: Origin) -> Trashed:
        """Moves the folder in. Its token brings it back."""
        moment = self.now()
        place = self.folder / f"{moment:%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:8]}"
        record = {"format": 1, "trashed": moment, "project": origin.project}
        if origin.version is not None:
            record["version"] = origin.version
        try:
            place.mkdir(parents=True)
            write_toml(place / "trashed.toml", record)
            folder.rename(place / "content")
        except OSError as error:
            shutil.rmtree(place, ignore_errors=True)
            raise storage_error(place, error) from error
        return self._described(place)

    def list(self) -> tuple[Trashed, ...]:
        """What can be brought back, put away last first. What isn't whole is left out."""
        places = self.folder.iterdir() if self.folder.is_dir() else ()
        whole = [self._described(place) for place in places if _is_whole(place)]
        return tuple(sorted(whole, key=lambda trashed: (trashed.trashed, trashed.token), reverse=True))

    def content(self, token: str) -> tuple[Path, Origin]:
        """The folder that was put away, and where it came from. Raises NotFoundError."""
        place = self._place(token)
        record = read_record(place / "trashed.toml")
        return place / "content", Origin(project=record["project"], version=record.get("version"))

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
            size_bytes=sum(file.lstat().st_size for file in content.rglob("*") if not file.is_dir()),
        )


def _is_whole(place: Path) -> bool:
    try:
        record = read_record(place / "trashed.toml")
    except StorageError:
        return False
    return {"project", "trashed"} <= record.keys() and (place / "content").is_dir()
