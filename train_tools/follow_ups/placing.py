"""Putting a file into a folder that belongs to somebody else: whole or not at all, and never over another file."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from train_tools.errors import NotFoundError, StorageError
from train_tools.files import name_anew, storage_error
from train_tools.jobs.errand import StoppedError

PIECE_BYTES = 1 << 20
Link = Callable[[Path, Path], None]


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Where the content is now."""

    path: Path
    was_there: bool = False
    """The very content lay there already."""


def place(
    source: Path, folder: Path, name: str, *, stopped: Callable[[], bool] = lambda: False, link: Link = os.link
) -> Placed:
    """Makes `folder/name` the content of `source`, by a hard link where that works, else by a copy.

    When another file has the name, the next of `name-2`, `name-3` ... is taken; one with the same content is left
    as it is. Raises NotFoundError when folder or source are missing, StorageError when it can't be written.
    """
    for missing, what in ((not source.is_file(), source), (not folder.is_dir(), folder)):
        if missing:
            raise NotFoundError(f"{what} is not there any more. Put it back, or set another folder, then retry.")
    try:
        for target in _numbered(folder / name):
            placed = _placed_at(source, target, stopped, link)
            if placed is not None:
                return placed
    except OSError as error:
        raise _told(folder / name, error) from error
    raise AssertionError("numbers do not end")


def _placed_at(source: Path, target: Path, stopped: Callable[[], bool], link: Link) -> Placed | None:
    """None when another file has this name."""
    if not os.path.lexists(target):
        try:
            _put(source, target, stopped, link)
            return Placed(path=target)
        except FileExistsError:
            pass  # somebody was faster
    return Placed(path=target, was_there=True) if _same(source, target, stopped) else None


def _put(source: Path, target: Path, stopped: Callable[[], bool], link: Link) -> None:
    """Raises FileExistsError when something has the target's name."""
    try:
        link(source, target)
    except FileExistsError:
        raise
    except OSError:  # another disk, or one without links
        _copy(source, target, stopped, link)


def _copy(source: Path, target: Path, stopped: Callable[[], bool], link: Link) -> None:
    part = target.with_name(f".{_short_name(source)}.train-tools.part")  # the same at the next try, so none stays
    try:
        with source.open("rb") as original, part.open("wb") as copy:
            for piece in _pieces(original.read, stopped):
                copy.write(piece)
            copy.flush()
            os.fsync(copy.fileno())
        name_anew(part, target, link)
    finally:
        part.unlink(missing_ok=True)


def _same(source: Path, target: Path, stopped: Callable[[], bool]) -> bool:
    """Whether two files hold the same, byte for byte."""
    if not target.is_file() or target.stat().st_size != source.stat().st_size:
        return False
    if target.samefile(source):
        return True
    with source.open("rb") as one, target.open("rb") as other:
        return all(piece == other.read(PIECE_BYTES) for piece in _pieces(one.read, stopped))


def _pieces(read: Callable[[int], bytes], stopped: Callable[[], bool]) -> Iterator[bytes]:
    while piece := read(PIECE_BYTES):
        if stopped():
            raise StoppedError
        yield piece


def _numbered(path: Path) -> Iterator[Path]:
    """`path`, then `path-2`, `path-3` ..."""
    yield path
    number = 2
    while True:
        yield path.with_name(f"{path.stem}-{number}{path.suffix}")
        number += 1


def _told(path: Path, error: OSError) -> StorageError:
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StorageError(
            f"Could not write {path.name} in {path.parent}: {error.strerror}. Check its permissions, or set "
            "another folder with `train-tools settings copies.folder=...`, then retry."
        )
    return storage_error(path, error)


def _short_name(source: Path) -> str:
    return hashlib.sha256(str(source).encode("utf-8", "surrogateescape")).hexdigest()[:16]
