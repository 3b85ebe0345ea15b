"""Rewriting caption files by the thousand: each only while it is what is expected.

Small files are written over where they lie, since replacing 10,000 of them takes many seconds on common disks.
What a kill in the middle leaves is recognised, so that it can be finished. What other names share, or links
lead to, is replaced as a whole.
"""

from __future__ import annotations

import errno
import os
import stat
from enum import Enum
from pathlib import Path

from train_tools.datasets.captions import caption_bytes
from train_tools.errors import DatasetNotUsableError
from train_tools.files import storage_error, whole_file

ONE_WRITE = 4096
"""Bytes that a file takes at once: they lie in one page of memory."""


class Found(Enum):
    """What lies where a caption is to be changed."""

    BEFORE = "as it was before, or half written by us"
    AFTER = "as it is to be"
    OTHER = "something else"


def found(path: Path, before: bytes | None, after: bytes | None) -> Found:
    try:
        now = caption_bytes(path)
    except DatasetNotUsableError:  # unreadable, or made huge
        return Found.OTHER
    if now == after:
        return Found.AFTER
    return Found.BEFORE if now == before or _is_half_written(now, before, after) else Found.OTHER


def exchange(path: Path, before: bytes | None, after: bytes | None) -> Found:
    """Makes `after` of `before`, None being no file; tells what was found. Anything else is left as it is. Raises
    StorageError when it can't be written, and then it is as before."""
    what = found(path, before, after)
    if what is Found.BEFORE:
        try:
            _write(path, before, after)
        except OSError as error:
            raise storage_error(path, error) from error
    return what


def _is_half_written(now: bytes | None, before: bytes | None, after: bytes | None) -> bool:
    """Made but still empty, or written over but not yet cut to its length: what a kill can leave."""
    if now is None or after is None:
        return False
    if before is None:
        return now == b""
    return len(after) < len(before) and now == after + before[len(after) :]


def _write(path: Path, before: bytes | None, after: bytes | None) -> None:
    if after is None:
        path.unlink(missing_ok=True)
    elif len(after) > ONE_WRITE or not _is_written_over(path, before, after):
        with whole_file(path) as file:
            file.write(after)


def _is_written_over(path: Path, before: bytes | None, after: bytes) -> bool:
    """Writes a small file where it lies, or a new one; False for what is better replaced."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | _NO_LINK | _BINARY, 0o666)
    except OSError:
        return False  # a link, or not ours to write into: replacing it may work, or says why not
    try:
        about = os.fstat(file)
        if not stat.S_ISREG(about.st_mode) or about.st_nlink > 1 or about.st_size > ONE_WRITE:
            return False
        _fill(file, about.st_size, after)
        return True
    except OSError:
        if before is None:
            path.unlink()
        else:
            _fill(file, len(after), before)
        raise
    finally:
        os.close(file)


def _fill(file: int, size: int, content: bytes) -> None:
    os.lseek(file, 0, os.SEEK_SET)
    if os.write(file, content) < len(content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if size > len(content):
        os.ftruncate(file, len(content))


_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_BINARY = getattr(os, "O_BINARY", 0)
