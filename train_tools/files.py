"""Writing files so that they appear whole or not at all, and reading the ones we wrote. Knows no project."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tomllib
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import tomli_w

from train_tools.errors import NotNowError, StorageError


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A binary file that replaces `path` when the block ends well, fsynced, and leaves nothing behind otherwise.

    Raises StorageError naming the file when the disk is full or the folder can't be written.
    """
    temporary = _neighbour(path)
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A new folder beside `path` that becomes `path` when the block ends well, and is gone otherwise.

    `path` must not be there. Raises StorageError naming it when something in the block can't be written.
    """
    building = _neighbour(path)
    try:
        building.mkdir(parents=True)
        yield building
        building.rename(path)
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _neighbour(path: Path) -> Path:
    """A hidden name beside `path` that no other process or thread uses."""
    return path.with_name(f".{uuid.uuid4().hex}.tmp")


def storage_error(path: Path, error: OSError) -> StorageError:
    """The error in words, with what to do next."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NotNowError(
            f"Could not write {path.name} in {path.parent}. The disk is full: free some space. "
            "Everything finished so far is kept."
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        advice = "The folder can't be written: check its permissions, or choose another with --outputs."
    else:
        advice = f"The system says: {error.strerror or error}."
    return StorageError(f"Could not write {path.name} in {path.parent}. {advice}")


def write_text(path: Path, text: str) -> None:
    try:
        content = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise StorageError(
            f"Could not write {path.name} in {path.parent}: {text[error.start : error.end]!r} is not UTF-8 text. "
            "Type it anew, or rename the file that bears it."
        ) from error
    with whole_file(path) as file:
        file.write(content)


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def write_toml(path: Path, value: Mapping[str, Any]) -> None:
    write_text(path, tomli_w.dumps(value))


def read_toml(path: Path) -> dict[str, Any]:
    """The table in a TOML file of ours. Raises StorageError with the line when it can't be parsed."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StorageError(f"Could not read {path}: {error.strerror or error}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StorageError(f"{path} is not valid TOML: {error}. Mend the line, or put the file aside.") from error


def sha256_of(path: Path, progress: Callable[[int], None] = lambda read: None) -> str:
    """The hex sha256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
            progress(len(piece))
    return digest.hexdigest()


def link_or_copy(source: Path, target: Path) -> None:
    """Makes `target` the same file as `source` by a hard link; where links don't work, a whole copy.

    Does nothing when `target` already is that file.
    """
    if target.exists() and target.samefile(source):
        return
    temporary = _neighbour(target)
    try:
        temporary.hardlink_to(source)
    except OSError:
        copy_whole(source, target)
        return
    temporary.replace(target)
    temporary.unlink(missing_ok=True)  # still there when another linked the same file meanwhile


def copy_whole(source: Path, target: Path) -> None:
    with source.open("rb") as original, whole_file(target) as copy:
        while piece := original.read(1 << 20):
            copy.write(piece)


def name_anew(part: Path, target: Path, link: Callable[[Path, Path], None] = os.link) -> None:
    """Gives a finished file beside `target` that name; FileExistsError when it is taken. `part` may stay."""
    try:
        link(part, target)
    except FileExistsError:
        raise
    except OSError:
        if os.path.lexists(target):  # on a disk without links there is a moment between the look and the naming
            raise FileExistsError(target) from None
        part.rename(target)


def last_lines(path: Path, lines: int) -> str:
    """The end of a log as text, whatever was written; "" without a file. Of a line that was written over (a
    progress bar), the newest state."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 400 * lines))
        tail = file.read().decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    return "\n".join(line.rsplit("\r", 1)[-1] for line in tail[-lines:])


def unused(path: Path) -> Path:
    """`path`, or the first of `path-2`, `path-3` ... that does not exist."""
    candidate, number = path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return candidate
