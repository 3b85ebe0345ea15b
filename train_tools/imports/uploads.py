"""Files that a page sends, one by one, in folders of their own until they are imported. They may have any names:
nothing is ever written outside of its upload, and what no import would take is refused before it is sent."""

from __future__ import annotations

import json
import os
import re
import shutil
import unicodedata
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO

from train_tools.datasets.captions import SUFFIXES as CAPTION_SUFFIXES
from train_tools.datasets.pictures import picture_suffixes, why_not_a_picture
from train_tools.errors import DatasetNotUsableError, NotFoundError, NotNowError
from train_tools.files import storage_error, write_json
from train_tools.imports.archives import ARCHIVES, SPARED_BYTES
from train_tools.imports.metadata import SUFFIXES as METADATA_SUFFIXES
from train_tools.model.dataset import Rejected, Upload

MOST_FILES = 100_000
MOST_FILE_BYTES = 8 * 1024**3
LONGEST_NAME_BYTES = 200
DEEPEST = 16


class Uploads:
    """Those below one folder: `<id>/upload.json` says for which version, `<id>/files` holds what has come."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self, project: str, version: str, listed: Sequence[tuple[str, int]]) -> Upload:
        """A new upload for files of these names and bytes; those that need not be sent are in its `left_out`.
        Raises DatasetNotUsableError for too many, NotNowError when the disk could not hold them."""
        if len(listed) > MOST_FILES:
            raise DatasetNotUsableError(
                f"{len(listed):,} files can't be sent at once: {MOST_FILES:,} are allowed. Import their folder by "
                "its path instead."
            )
        refusals = {name: reason for name, size in listed if (reason := why_not(name, size))}
        self._refuse_full_disk(sum(size for name, size in listed if name not in refusals))
        upload = Upload(
            id=uuid.uuid4().hex,
            project=project,
            version=version,
            left_out=tuple(Rejected(source=_shown(name), reason=reason) for name, reason in refusals.items()),
        )
        self._write(upload)
        return upload

    @contextmanager
    def receiving(self, id_: str, name: str) -> Iterator[Incoming]:
        """Takes in one file, which appears whole or not at all. Raises DatasetNotUsableError for a name that
        would not be imported, NotFoundError when there is no such upload."""
        upload = self.get(id_)
        if reason := why_not(name, 0):
            raise DatasetNotUsableError(f"{_shown(name)} is not taken: {reason}.")
        part = self._place(upload.id) / f"{uuid.uuid4().hex}.part"
        target = self.files_of(upload.id).joinpath(*name.split("/"))
        try:
            with part.open("xb") as file:
                yield Incoming(file, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            part.replace(target)
        except OSError as error:
            raise storage_error(target, error) from error
        finally:
            part.unlink(missing_ok=True)

    def get(self, id_: str) -> Upload:
        """Raises NotFoundError."""
        if re.fullmatch(r"[0-9a-f]{32}", id_):
            try:
                told = json.loads((self._place(id_) / "upload.json").read_text(encoding="utf-8"))
                told["left_out"] = tuple(Rejected(**each) for each in told["left_out"])
                return Upload(**told)
            except (OSError, ValueError, KeyError, TypeError):
                pass
        raise NotFoundError(
            "There is no such upload. It may have been imported or discarded; send the files anew."
        )

    def all(self, project: str, version: str) -> tuple[Upload, ...]:
        """Those for a version that were begun and not imported yet."""
        found = [self.get(place.name) for place in self._places() if (place / "upload.json").is_file()]
        return tuple(each for each in found if (each.project, each.version) == (project, version))

    def arrived(self, id_: str) -> tuple[int, int]:
        """How many files have come, and their bytes."""
        sizes = [path.stat().st_size for path in self.files_of(id_).rglob("*") if path.is_file()]
        return len(sizes), sum(sizes)

    def files_of(self, id_: str) -> Path:
        return self._place(id_) / "files"

    def discard(self, id_: str) -> None:
        """Its files are gone. Raises NotFoundError."""
        shutil.rmtree(self._place(self.get(id_).id), ignore_errors=True)

    def _places(self) -> list[Path]:
        return sorted(self._folder.iterdir()) if self._folder.is_dir() else []

    def _place(self, id_: str) -> Path:
        return self._folder / id_

    def _write(self, upload: Upload) -> None:
        record = self._place(upload.id) / "upload.json"
        try:
            self.files_of(upload.id).mkdir(parents=True)
        except OSError as error:
            raise storage_error(record, error) from error
        write_json(record, asdict(upload))

    def _refuse_full_disk(self, needed: int) -> None:
        place = next(each for each in (self._folder, *self._folder.parents) if each.is_dir())
        free = shutil.disk_usage(place).free - SPARED_BYTES
        if 2 * needed > free:
            raise NotNowError(
                f"The files have {needed / 1e6:,.0f} MB, twice that is needed until they are imported, and only "
                f"{max(0, free) / 1e6:,.0f} MB are free: free some space."
            )


class Incoming:
    """A file that is being received. What is too large is refused while it comes."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._file = file
        self._name = name
        self._bytes = 0

    def write(self, piece: bytes) -> None:
        self._bytes += len(piece)
        if self._bytes > MOST_FILE_BYTES:
            raise DatasetNotUsableError(f"{_shown(self._name)} is not taken: {_too_large()}.")
        self._file.write(piece)


def why_not(name: str, size: int) -> str:
    """Why a file of that name and size would not be imported; "" when it may be."""
    parts = name.split("/")
    suffix = os.path.splitext(parts[-1])[1].lower()  # noqa: PTH122  of a name that may be no path
    if len(parts) > DEEPEST:
        return f"it lies more than {DEEPEST} folders deep"
    if any(_is_unusable(part) for part in parts):
        return "its name, or that of a folder above it, can't be a file's name here"
    if any(part.startswith(".") for part in parts):
        return "it is hidden: its name begins with a dot"
    if size > MOST_FILE_BYTES:
        return _too_large()
    if suffix in (*picture_suffixes(), *CAPTION_SUFFIXES, *METADATA_SUFFIXES, ".zip"):
        return ""
    if suffix in ARCHIVES:
        return "it is an archive, and only zip is unpacked: unpack it and choose the folder"
    return why_not_a_picture(suffix)


def _is_unusable(part: str) -> bool:
    letters = {unicodedata.category(letter) for letter in part}
    too_long = len(part.encode("utf-8", "replace")) > LONGEST_NAME_BYTES
    forbidden = set(part) & set('\\:*?"<>|' if os.name == "nt" else "\\")
    return part in ("", ".", "..") or bool(letters & {"Cc", "Cs"}) or too_long or bool(forbidden)


def _too_large() -> str:
    return f"it has more than {MOST_FILE_BYTES // 1024**3} GB: import it by its path"


def _shown(name: str) -> str:
    return name.encode("utf-8", "replace").decode("utf-8")
