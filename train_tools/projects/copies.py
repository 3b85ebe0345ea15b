"""Copies of projects and versions: a version beside another, a whole project as a zip to take away."""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from train_tools.errors import AlreadyExistsError, StorageError
from train_tools.files import whole_file

Progress = Callable[[int, int], None]
"""Called with (done, total)."""

_COMPRESSED = {".safetensors", ".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif", ".heic", ".zip"}
"""What a second compression would only slow down."""


def files_in(folder: Path) -> Iterator[Path]:
    """All plain files below, sorted. Links and special files are left out: they may lead anywhere."""
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(parent, name)
            if stat.S_ISREG(path.lstat().st_mode):
                yield path


def copy_parts(source: Path, target: Path, wanted: Callable[[Path], bool]) -> None:
    """Copies the files of `source` whose relative path is wanted into the folder `target`."""
    for path in files_in(source):
        relative = path.relative_to(source)
        if wanted(relative):
            (target / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target / relative)


def write_zip(source: Path, target: Path, wanted: Callable[[Path], bool], progress: Progress) -> None:
    """Packs the wanted files of `source` under its own name. `target` appears whole or not at all.

    Raises AlreadyExistsError when `target` is there, StorageError when it would lie in `source`.
    """
    if target.exists():
        raise AlreadyExistsError(f"{target} is there already and was left alone. Choose another name.")
    if target.resolve().is_relative_to(source.resolve()):
        raise StorageError(f"{target} lies inside what it is to hold. Choose a folder outside {source}.")
    paths = [path for path in files_in(source) if wanted(path.relative_to(source))]
    with whole_file(target) as file, zipfile.ZipFile(file, "w", strict_timestamps=False) as archive:
        for done, path in enumerate(paths, start=1):
            inside = Path(source.name, path.relative_to(source)).as_posix().encode("utf-8", "replace").decode()
            archive.write(path, inside, compress_type=_compression(path))
            progress(done, len(paths))


def _compression(path: Path) -> int:
    return zipfile.ZIP_STORED if path.suffix.lower() in _COMPRESSED else zipfile.ZIP_DEFLATED
