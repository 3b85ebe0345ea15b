"""What a safetensors file says about itself, without torch: its header, whether it is whole, its hashes.

Layout: 8 bytes header length (little endian), the header as JSON, then the tensors' bytes without gaps."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

from sd_contract.errors import CheckpointError

HEADER_LIMIT = 100_000_000
LEGACY_WINDOW = slice(0x100000, 0x110000)
BYTES_OF = {
    "BOOL": 1,
    "U8": 1,
    "I8": 1,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
    "U16": 2,
    "I16": 2,
    "F16": 2,
    "BF16": 2,
    "U32": 4,
    "I32": 4,
    "F32": 4,
    "U64": 8,
    "I64": 8,
    "F64": 8,
}


@dataclass(frozen=True, kw_only=True)
class TensorEntry:
    """One tensor as the header describes it; `begin` and `end` count from the end of the header."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Header:
    """The header of one file: its tensors by name, its metadata, where the tensors' bytes begin, the file's
    size."""

    tensors: Mapping[str, TensorEntry]
    metadata: Mapping[str, str]
    data_start: int
    file_size: int

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: entry.shape for name, entry in self.tensors.items()}


def read_header(path: Path) -> Header:
    """The header of a safetensors file. CheckpointError when there is no such file or it is of another
    format."""
    try:
        with path.open("rb") as file:
            file_size = os.fstat(file.fileno()).st_size
            length = _header_length(file.read(8), file_size, path)
            text = file.read(length)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} does not exist.") from error
    except IsADirectoryError as error:
        raise CheckpointError(f"{path} is a folder; a single .safetensors file is wanted.") from error
    except OSError as error:
        raise CheckpointError(f"{path} can't be read: {error.strerror}.") from error
    return _parsed(text, 8 + length, file_size, path)


def parse_header(text: bytes, path: Path) -> Header:
    """The header in its JSON, without the file: where the tensors begin is unknown. CheckpointError when it is
    none; `path` is named then."""
    return _parsed(text, 0, 0, path)


def verify_safetensors(path: Path) -> Header:
    """The header of a file that is whole: tensors lie end to end and end where the file ends; else
    CheckpointError."""
    header = read_header(path)
    position = 0
    for name, entry in sorted(header.tensors.items(), key=lambda item: (item[1].begin, item[1].end)):
        if entry.begin != position or entry.end - entry.begin != _size(entry, path):
            raise CheckpointError(f"{path} is damaged: the place of tensor {name!r} does not fit its neighbours.")
        position = entry.end
    wanted = header.data_start + position
    if wanted != header.file_size:
        what = "is cut short" if header.file_size < wanted else "has bytes too many"
        raise CheckpointError(
            f"{path} {what}: {header.file_size} bytes instead of {wanted}. Copy or download it again."
        )
    return header


def copy_with_metadata(source: Path, target: Path, metadata: Mapping[str, str]) -> None:
    """The same tensors in another file, with these metadata in place of the old ones. CheckpointError when the
    source is none."""
    head = head_with(source, metadata)
    with target.open("wb") as copy:
        copy_tensors(source, head, copy)
        copy.flush()
        os.fsync(copy.fileno())


def head_of(path: Path) -> bytes:
    """Everything before the tensors' bytes: the header's length and the header as it is written."""
    header = read_header(path)
    with path.open("rb") as file:
        return file.read(header.data_start)


def head_with(source: Path, metadata: Mapping[str, str]) -> bytes:
    """What comes before the same tensors when these are the metadata. CheckpointError when they are no text."""
    table = json.loads(head_of(source)[8:])
    text = json.dumps({**table, "__metadata__": dict(metadata)}, ensure_ascii=False, separators=(",", ":"))
    try:
        content = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise CheckpointError(
            f"The metadata of {source} can't be written: {text[error.start : error.end]!r} is not UTF-8 text."
        ) from error
    content += b" " * (-len(content) % 8)
    if len(content) > HEADER_LIMIT:
        raise CheckpointError(f"The metadata of {source} would be longer than {HEADER_LIMIT} bytes.")
    return struct.pack("<Q", len(content)) + content


def copy_tensors(source: Path, head: bytes, copy: IO[bytes]) -> None:
    """Writes the file anew: this head, then the tensors' bytes of the source."""
    start = read_header(source).data_start
    copy.write(head)
    with source.open("rb") as file:
        file.seek(start)
        shutil.copyfileobj(file, copy, 1 << 22)


def with_hashes(source: Path, metadata: Mapping[str, str]) -> bytes:
    """What comes before the same tensors when these are the metadata and the `sshs_` keys tell the truth. They are
    worked out as when a training saves: `sshs_legacy_hash` is of the file with no metadata but `ss_` keys."""
    own = {key: text for key, text in metadata.items() if not key.startswith("sshs_")}
    head = head_with(source, {key: text for key, text in own.items() if key.startswith("ss_")})
    start = read_header(source).data_start
    with source.open("rb") as file:
        file.seek(start + max(0, LEGACY_WINDOW.start - len(head)))
        behind = file.read(max(0, LEGACY_WINDOW.stop - max(LEGACY_WINDOW.start, len(head))))
    legacy = hashlib.sha256(head[LEGACY_WINDOW] + behind).hexdigest()[:8]
    return head_with(source, {**own, "sshs_model_hash": _sha256(source, start), "sshs_legacy_hash": legacy})


def data_sha256(path: Path) -> str:
    """sha256 of everything after the header: what `sshs_model_hash` holds. The metadata does not change
    it."""
    return _sha256(path, read_header(path).data_start)


def legacy_hash(content: bytes) -> str:
    """The eight digits that old programs know a file by: a hash of 64 KiB from its second MiB on."""
    return hashlib.sha256(content[LEGACY_WINDOW]).hexdigest()[:8]


def legacy_file_hash(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(LEGACY_WINDOW.start)
        return hashlib.sha256(file.read(LEGACY_WINDOW.stop - LEGACY_WINDOW.start)).hexdigest()[:8]


def file_sha256(path: Path, cache_folder: Path | None = None) -> str:
    """sha256 of the whole file. With a cache folder it is remembered for this path, size and time of
    change."""
    if cache_folder is None:
        return _sha256(path, 0)
    known = remembered_sha256(path, cache_folder)
    if known is not None:
        return known
    note = _hash_note(path, cache_folder)
    digest = _sha256(path, 0)
    note.parent.mkdir(parents=True, exist_ok=True)
    temporary = note.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(digest, encoding="ascii")
    temporary.replace(note)
    return digest


def remembered_sha256(path: Path, cache_folder: Path) -> str | None:
    """The sha256 of a file as it is now, if it was worked out before; it costs no reading."""
    try:
        return _hash_note(path, cache_folder).read_text(encoding="ascii")
    except FileNotFoundError:
        return None


def _hash_note(path: Path, cache_folder: Path) -> Path:
    status = path.stat()
    key = f"{path.resolve()}\n{status.st_size}\n{status.st_mtime_ns}"
    return cache_folder / "file_hashes" / hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def _header_length(prefix: bytes, file_size: int, path: Path) -> int:
    if len(prefix) < 8:
        raise CheckpointError(f"{path} is no safetensors file: it has only {file_size} bytes.")
    length: int = struct.unpack("<Q", prefix)[0]
    if length > HEADER_LIMIT:
        raise CheckpointError(
            f"{path} is no safetensors file: its first bytes ask for a header of {length} bytes."
        )
    if 8 + length > file_size:
        raise CheckpointError(f"{path} is cut short: {file_size} bytes, the header alone needs {8 + length}.")
    return length


def _parsed(text: bytes, data_start: int, file_size: int, path: Path) -> Header:
    try:
        table = json.loads(text)
        metadata = table.pop("__metadata__", None) or {}
        tensors = {name: _entry(record) for name, record in table.items()}
        if not all(isinstance(value, str) for value in metadata.values()):
            raise TypeError("metadata that is not text")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path} is no safetensors file: its header can't be read ({error}).") from error
    return Header(tensors=tensors, metadata=metadata, data_start=data_start, file_size=file_size)


def _entry(record: Mapping[str, Any]) -> TensorEntry:
    begin, end = (_count(number) for number in record["data_offsets"])
    shape = tuple(_count(number) for number in record["shape"])
    return TensorEntry(dtype=str(record["dtype"]), shape=shape, begin=begin, end=end)


def _count(number: object) -> int:
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise ValueError(f"{number!r} is not a count")
    return number


def _size(entry: TensorEntry, path: Path) -> int:
    if entry.dtype not in BYTES_OF:
        raise CheckpointError(f"{path} holds numbers of type {entry.dtype!r}, which is unknown here.")
    return prod(entry.shape) * BYTES_OF[entry.dtype]


def _sha256(path: Path, start: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(start)
        while chunk := file.read(1 << 22):
            digest.update(chunk)
    return digest.hexdigest()
