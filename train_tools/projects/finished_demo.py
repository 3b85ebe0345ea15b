"""The demo's sweep as it was trained once, so that a finished one can be looked at before anything is trained.
Packed is the version's own folder; words stand for the places that paths in it began with."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path, PurePosixPath

from train_tools.errors import StorageError
from train_tools.files import storage_error, whole_folder
from train_tools.model.paths import VersionPaths
from train_tools.projects.template import template_folder

PACKED = ("grids", "trains", "base")
"""What of a version's folder it holds."""
_LEFT_OUT = re.compile(
    r"/previews/|/out/|/state/|launch\.json$|supervisor\.log$|matrix\.png$|-0{3,}\d+(\.safetensors$|/)"
)
"""What only served to make it, and the checkpoints between: half the size, and the end is what one looks at."""
_TEXTS = (".toml", ".json", ".jsonl", ".log", ".txt")


def finished_demo() -> Path:
    return template_folder() / "demo" / "finished.zip"


def pack(version: VersionPaths, target: Path, names: Mapping[str, Path]) -> None:
    """Packs a version whose demo was trained. `names` are places that paths in its files begin with, by what
    stands for them; longer ones first."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for file in _packed_files(version.folder):
            name = file.relative_to(version.folder).as_posix()
            content = file.read_bytes()
            if file.suffix in _TEXTS:
                for word, place in names.items():
                    content = content.replace(str(place).encode(), word.encode())
            packed.writestr(zipfile.ZipInfo(name, date_time=(2026, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)


def unpack(version: VersionPaths, names: Mapping[str, Path]) -> None:
    """Puts the packed sweep into a version, part by part, each whole or not at all. Parts that are there stay.

    Raises StorageError when the file that came with Train Tools is missing or damaged.
    """
    try:
        with zipfile.ZipFile(finished_demo()) as packed:
            for part in PACKED:
                target = version.folder / part
                if not target.exists():
                    with whole_folder(target) as building:
                        _write(packed, part, building, names)
    except (OSError, zipfile.BadZipFile) as error:
        if isinstance(error, OSError) and error.filename != str(finished_demo()):
            raise storage_error(version.folder, error) from error
        raise StorageError(
            f"{finished_demo()} can't be read: {error}. It comes with Train Tools: install it again."
        ) from error


def _write(packed: zipfile.ZipFile, part: str, folder: Path, names: Mapping[str, Path]) -> None:
    """Each file with the time it was packed with: what ended long ago is no news."""
    for entry in packed.infolist():
        place = PurePosixPath(entry.filename)
        if place.parts[0] != part or ".." in place.parts:
            continue
        content = packed.read(entry)
        if place.suffix in _TEXTS:
            for word, path in names.items():
                content = content.replace(word.encode(), path.as_posix().encode())
        file = folder.joinpath(*place.parts[1:])
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        made = datetime(*entry.date_time).timestamp()
        os.utime(file, (made, made))


def _packed_files(folder: Path) -> Iterator[Path]:
    for part in PACKED:
        for file in sorted((folder / part).rglob("*")):
            if file.is_file() and not _LEFT_OUT.search(file.relative_to(folder).as_posix()):
                yield file
