"""Width and height of an image, read from the first bytes of its file and turned as its EXIF data say.

Of PNG, JPEG, WebP and BMP. Only what stands before the pixels counts."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from sd_contract.errors import DatasetError

Size = tuple[int, int]
Found = tuple[Size, int]
"""A size as it is stored, and the EXIF orientation."""

UPRIGHT, TURNED = 1, (5, 6, 7, 8)
ORIENTATION = 0x0112
START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})


def image_size(path: Path) -> Size:
    """Width and height in pixels. DatasetError, which names the file, when it is no image of these formats."""
    (width, height), orientation = _head(path)
    return (height, width) if orientation in TURNED else (width, height)


def image_orientation(path: Path) -> int:
    """How the image lies in its file, as EXIF counts: 1 is upright. DatasetError as above."""
    return _head(path)[1]


def _head(path: Path) -> Found:
    try:
        with path.open("rb") as file:
            size, orientation = _found(file)
    except OSError as error:
        raise DatasetError(f"image {path} can't be read ({error.strerror}). Replace or remove it.") from error
    except (ValueError, struct.error) as error:
        raise DatasetError(f"image {path} can't be read ({error}). Replace or remove it.") from error
    if not all(size):
        raise DatasetError(f"image {path} can't be read (it has no pixels). Replace or remove it.")
    return size, orientation


def _found(file: BinaryIO) -> Found:
    start = file.read(32)
    file.seek(0)
    for fits, read in FORMATS:
        if fits(start):
            return read(file)
    raise ValueError("it is no PNG, JPEG, WebP or BMP file")


def _png(file: BinaryIO) -> Found:
    file.seek(8)
    length, kind = struct.unpack(">I4s", _whole(file, 8))
    if kind != b"IHDR":
        raise ValueError("its first bytes are damaged")
    width, height = struct.unpack(">II", _whole(file, length)[:8])
    return (width, height), _orientation_before_pixels(file)


def _orientation_before_pixels(file: BinaryIO) -> int:
    file.seek(4, 1)
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind == b"eXIf":
            return _orientation(file.read(length))
        if kind == b"IDAT":
            break
        file.seek(length + 4, 1)
    return UPRIGHT


def _jpeg(file: BinaryIO) -> Found:
    orientation = UPRIGHT
    for marker, body in _segments(file):
        if marker == 0xE1 and body.startswith(b"Exif\0\0") and orientation == UPRIGHT:
            orientation = _orientation(body[6:])
        elif marker in START_OF_FRAME:
            height, width = struct.unpack(">xHH", body[:5])
            return (width, height), orientation
    raise ValueError("it is a JPEG file without an image")


def _segments(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    file.seek(2)
    while byte := file.read(1):
        if byte != b"\xff":
            raise ValueError("its first bytes are damaged")
        while (marker := _whole(file, 1)[0]) == 0xFF:
            pass
        if marker in WITHOUT_LENGTH:
            continue
        (length,) = struct.unpack(">H", _whole(file, 2))
        yield marker, _whole(file, length - 2)


def _webp(file: BinaryIO) -> Found:
    file.seek(12)
    kind, length = struct.unpack("<4sI", _whole(file, 8))
    body = _whole(file, 10)
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", body[6:10])
        return (width & 0x3FFF, height & 0x3FFF), UPRIGHT
    if kind == b"VP8L":
        (bits,) = struct.unpack("<I", body[1:5])
        return ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1), UPRIGHT
    if kind != b"VP8X":
        raise ValueError("its first bytes are damaged")
    size = int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    return size, _orientation_in_chunks(file, 12 + 8 + length + length % 2)


def _orientation_in_chunks(file: BinaryIO, position: int) -> int:
    file.seek(position)
    while len(head := file.read(8)) == 8:
        kind, length = struct.unpack("<4sI", head)
        if kind == b"EXIF":
            return _orientation(file.read(length).removeprefix(b"Exif\0\0"))
        file.seek(length + length % 2, 1)
    return UPRIGHT


def _bmp(file: BinaryIO) -> Found:
    file.seek(14)
    (length,) = struct.unpack("<I", _whole(file, 4))
    width, height = struct.unpack("<HH" if length == 12 else "<ii", _whole(file, 4 if length == 12 else 8))
    return (width, abs(height)), UPRIGHT


FORMATS: tuple[tuple[Callable[[bytes], bool], Callable[[BinaryIO], Found]], ...] = (
    (lambda start: start.startswith(b"\x89PNG\r\n\x1a\n"), _png),
    (lambda start: start.startswith(b"\xff\xd8\xff"), _jpeg),
    (lambda start: start.startswith(b"RIFF") and start[8:12] == b"WEBP", _webp),
    (lambda start: start.startswith(b"BM"), _bmp),
)


def _orientation(exif: bytes) -> int:
    """The orientation that EXIF data (a TIFF header) tell; upright when they are damaged or don't tell."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    try:
        if order is None:
            return UPRIGHT
        (start,) = struct.unpack_from(f"{order}I", exif, 4)
        (entries,) = struct.unpack_from(f"{order}H", exif, start)
        for place in range(start + 2, start + 2 + 12 * entries, 12):
            tag, value = struct.unpack_from(f"{order}H6xH", exif, place)
            if tag == ORIENTATION:
                return int(value)
    except struct.error:
        pass
    return UPRIGHT


def _whole(file: BinaryIO, length: int) -> bytes:
    content = file.read(length)
    if len(content) < length:
        raise ValueError("it is cut short")
    return content
