"""Zip files of anybody: what of them is unpacked, and why the rest is not. Nothing is ever written outside the
folder that was named, nor held in memory as a whole."""

from __future__ import annotations

import hashlib
import json
import lzma
import os
import shutil
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from train_tools.errors import DatasetNotUsableError, StorageError
from train_tools.files import storage_error, write_json

ARCHIVES = frozenset({".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst"})
"""Files that hold files; of these only `.zip` is unpacked."""
MOST_ENTRIES = 100_000
MOST_DIRECTORY_BYTES = 64 * 1024**2
"""The list of an archive's files is read as a whole: no honest one of so many files is longer."""
MOST_ENTRY_BYTES = 2 * 1024**3
MOST_RATIO = 100
RATIO_COUNTS_FROM_BYTES = 100 * 1024**2
"""Less may be packed as tightly as can be: a white bitmap is."""
SPARED_BYTES = 100 * 1024**2
"""What unpacking leaves free on the disk."""
LONGEST_NAME_BYTES = 120
PIECE = 1 << 20
UTF_8_NAME, ENCRYPTED = 0x800, 0x1
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    ValueError,
    OverflowError,
    struct.error,
)

Progress = Callable[[int, int], None]


class ArchiveNotUsableError(DatasetNotUsableError):
    """An archive, or one of its files, that is not unpacked. The text is a reason to stand behind its name."""


@dataclass(frozen=True, kw_only=True)
class Unpacked:
    """What came out of an archive: files below `folder`, and (name, reason) of what did not."""

    folder: Path
    left_out: tuple[tuple[str, str], ...] = ()


def unpack(
    archive: Path,
    folder: Path,
    wanted: Sequence[str],
    progress: Progress = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Unpacked:
    """Unpacks files whose suffix (in lower case) is wanted. What was unpacked whole before, and not changed since,
    is not unpacked again.

    Raises ArchiveNotUsableError for one that is broken, encrypted, too large or a bomb; NotNowError when the disk
    is full. Of an archive that was not unpacked to its end nothing stays.
    """
    place = folder / _key(archive)
    before = _read_mark(place)
    if before is not None:
        return before
    shutil.rmtree(place, ignore_errors=True)
    try:
        place.mkdir(parents=True)
        with _opened(archive) as opened:
            unpacked = Unpacked(
                folder=place, left_out=tuple(_extracted(opened, place, wanted, progress, should_stop))
            )
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    if not should_stop():
        write_json(_mark(place), {"left_out": unpacked.left_out})
    return unpacked


class _Open:
    """An archive that was looked over and may be unpacked."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self.file = file
        self.entries = [entry for entry in file.infolist() if not entry.is_dir()]

    def __enter__(self) -> _Open:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


def _opened(archive: Path) -> _Open:
    try:
        with archive.open("rb") as file:
            _refuse_long_list(file)
        opened = _Open(zipfile.ZipFile(archive))
    except OSError as error:
        raise ArchiveNotUsableError(f"it can't be read: {error.strerror or error}") from error
    except (*BROKEN, NotImplementedError) as error:
        raise ArchiveNotUsableError(f"it is no zip archive, or a broken one ({error})") from error
    try:
        _refuse_bomb(opened, archive)
    except BaseException:
        opened.file.close()
        raise
    return opened


def _refuse_long_list(file: IO[bytes]) -> None:
    """Looks at the end record only: what it says the list's length is, is what would be read."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 65_557 - 76))
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or at + 22 > len(tail):
        raise ArchiveNotUsableError("it is no zip archive, or its end is missing")
    entries, length = struct.unpack_from("<HL", tail, at + 10)
    if at >= 76 and tail[at - 76 : at - 72] == b"PK\6\6":  # of a large archive: the record before holds the truth
        entries, length = struct.unpack_from("<2Q", tail, at - 76 + 32)
    if entries > MOST_ENTRIES or length > MOST_DIRECTORY_BYTES:
        raise ArchiveNotUsableError(
            f"it holds {entries:,} files, and at most {MOST_ENTRIES:,} are unpacked: choose a folder instead"
        )


def _refuse_bomb(opened: _Open, archive: Path) -> None:
    entries = opened.entries
    if len(entries) > MOST_ENTRIES:
        raise ArchiveNotUsableError(
            f"it holds {len(entries):,} files, and at most {MOST_ENTRIES:,} are unpacked: choose a folder instead"
        )
    if entries and all(entry.flag_bits & ENCRYPTED for entry in entries):
        raise ArchiveNotUsableError("it is encrypted: unpack it with its password and choose the folder")
    total = sum(entry.file_size for entry in entries)
    packed = archive.stat().st_size
    if total > RATIO_COUNTS_FROM_BYTES and total > MOST_RATIO * packed:
        raise ArchiveNotUsableError(
            f"its {packed:,} bytes claim to hold {total:,}, more than {MOST_RATIO} times as much: "
            "it is not unpacked"
        )


def _extracted(
    opened: _Open, place: Path, wanted: Sequence[str], progress: Progress, should_stop: Callable[[], bool]
) -> Iterator[tuple[str, str]]:
    """Writes the files; gives (name, reason) of those that are left out."""
    needed = sum(entry.file_size for entry in opened.entries if _suffix(entry.filename) in wanted)
    free = shutil.disk_usage(place).free
    if needed > free - SPARED_BYTES:
        raise ArchiveNotUsableError(
            f"it would take {needed / 1e6:,.0f} MB, and only {free / 1e6:,.0f} MB are free: free some space"
        )
    for done, entry in enumerate(opened.entries, start=1):
        if should_stop():
            return
        name = _true_name(entry)
        try:
            _refuse_entry(entry, name, wanted)
            _extract(opened.file, entry, _target(place, name))
        except ArchiveNotUsableError as error:
            yield name, str(error)
        progress(done, len(opened.entries))


def _true_name(entry: zipfile.ZipInfo) -> str:
    """Old programs write UTF-8 without saying so; what can't be that is read as the format says."""
    if entry.flag_bits & UTF_8_NAME:
        return entry.filename
    try:
        return entry.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return entry.filename


def _refuse_entry(entry: zipfile.ZipInfo, name: str, wanted: Sequence[str]) -> None:
    parts = _parts(name)
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if not parts or ".." in parts or name.startswith(("/", "\\")) or ":" in parts[0]:
        raise ArchiveNotUsableError("its name leads out of the archive")
    if "__MACOSX" in parts or any(part.startswith(".") for part in parts):
        raise ArchiveNotUsableError("it is hidden")
    if kind and kind != stat.S_IFREG:
        raise ArchiveNotUsableError("it is a link or a device, no plain file")
    if _suffix(name) in ARCHIVES:
        raise ArchiveNotUsableError("it is an archive in an archive: unpack it and choose the folder")
    if _suffix(name) not in wanted:
        raise ArchiveNotUsableError(f"its format is not one of {', '.join(each.lstrip('.') for each in wanted)}")
    if entry.flag_bits & ENCRYPTED:
        raise ArchiveNotUsableError("it is encrypted: unpack the archive with its password and choose the folder")
    is_tight = entry.file_size > MOST_RATIO * max(1, entry.compress_size)
    if entry.file_size > MOST_ENTRY_BYTES or (entry.file_size > RATIO_COUNTS_FROM_BYTES and is_tight):
        raise ArchiveNotUsableError(
            f"it claims to become {entry.file_size:,} bytes from {entry.compress_size:,}: it is not unpacked"
        )


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> None:
    """Writes one file, and leaves nothing of one that is broken."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        written = target.open("xb")
    except FileExistsError as error:
        raise ArchiveNotUsableError("another file of this name is in the archive") from error
    except OSError as error:
        raise storage_error(target, error) from error
    try:
        with written, archive.open(entry) as packed:
            _copy(packed, written, target)
    except StorageError:
        raise
    except (*BROKEN, NotImplementedError, RuntimeError, OSError) as error:
        target.unlink(missing_ok=True)
        raise ArchiveNotUsableError(
            f"it is broken in the archive, or packed in a way that is not known ({error})"
        ) from error


def _copy(packed: IO[bytes], written: IO[bytes], target: Path) -> None:
    while piece := packed.read(PIECE):
        try:
            written.write(piece)
        except OSError as error:
            raise storage_error(target, error) from error


def _target(place: Path, name: str) -> Path:
    return place.joinpath(*(_storable(part) for part in _parts(name)))


def _storable(part: str) -> str:
    """Part of a path without what can't be written, and short enough. Files of one stem still share it."""
    stem, dot, ending = part.rpartition(".")
    stem, ending = (stem, f".{ending}") if dot and len(ending) <= 8 else (part, "")
    shown = "".join("_" if _is_unwritable(letter) else letter for letter in unicodedata.normalize("NFC", stem))
    cut = shown.encode("utf-8", "replace")[:LONGEST_NAME_BYTES].decode("utf-8", "ignore")
    return f"{cut.rstrip(' ') or '_'}{ending}"


def _is_unwritable(letter: str) -> bool:
    return letter in '<>:"|?*' * (os.name == "nt") or unicodedata.category(letter) in ("Cc", "Cs")


def _parts(name: str) -> tuple[str, ...]:
    return PurePosixPath(name.replace("\\", "/")).parts


def _suffix(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).suffix.lower()


def _key(archive: Path) -> str:
    """A name for what comes out of an archive as it is now."""
    try:
        found = archive.stat()
    except OSError as error:
        raise ArchiveNotUsableError(f"it can't be read: {error.strerror or error}") from error
    if not stat.S_ISREG(found.st_mode):
        raise ArchiveNotUsableError("it is not a plain file")
    told = f"{archive.resolve()}\0{found.st_size}\0{found.st_mtime_ns}"
    return hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _mark(place: Path) -> Path:
    """Beside the folder: it was unpacked to its end."""
    return place.with_name(f"{place.name}.json")


def _read_mark(place: Path) -> Unpacked | None:
    try:
        fields = json.loads(_mark(place).read_text(encoding="utf-8"))
        return Unpacked(folder=place, left_out=tuple((name, reason) for name, reason in fields["left_out"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
