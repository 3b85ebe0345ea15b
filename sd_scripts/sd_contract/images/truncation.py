"""Whether an image's file ends before its picture does, told by a few of its bytes: a download that broke off is
found before a model is loaded. What is not certain counts as whole; decoding will tell."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

PNG_CHECKSUM_BYTES = 4
"""The last bytes of a PNG's pixel data, which readers do without."""
JPEG_END = b"\xff\xd9"
JPEG_SCAN = 0xDA
UNCOMPRESSED = (0, 3)


def is_cut_short(path: Path) -> bool:
    """Whether the file lacks bytes at its end. Of PNG, JPEG, WebP and BMP; OSError when it can't be read."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(32)
        for fits, ends_early in FORMATS:
            if fits(start):
                try:
                    return ends_early(file, size)
                except struct.error:  # the head itself is torn or odd
                    return False
    return False


def _png_ends_early(file: BinaryIO, size: int) -> bool:
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind == b"IDAT" and file.tell() + length - PNG_CHECKSUM_BYTES > size:
            return True
        file.seek(length + 4, os.SEEK_CUR)
    return False


def _jpeg_ends_early(file: BinaryIO, size: int) -> bool:
    """Whether no end follows the first scan; within a scan the two bytes of the end can't stand."""
    file.seek(2)
    while len(head := file.read(4)) == 4 and head.startswith(b"\xff"):
        marker, length = struct.unpack(">xBH", head)
        if marker == JPEG_SCAN:
            return JPEG_END not in file.read()
        file.seek(length - 2, os.SEEK_CUR)
    return False


def _webp_ends_early(file: BinaryIO, size: int) -> bool:
    file.seek(4)
    (length,) = struct.unpack("<I", file.read(4))
    return bool(8 + length > size)


def _bmp_ends_early(file: BinaryIO, size: int) -> bool:
    file.seek(10)
    pixels, head_length = struct.unpack("<II", file.read(8))
    if head_length < 40:
        return False
    width, height, bits, compression = struct.unpack("<ii2xHI", file.read(16))
    last_row_bytes = (abs(width) * bits + 7) // 8
    row_bytes = (last_row_bytes + 3) // 4 * 4
    return compression in UNCOMPRESSED and pixels + row_bytes * (abs(height) - 1) + last_row_bytes > size


FORMATS: tuple[tuple[Callable[[bytes], bool], Callable[[BinaryIO, int], bool]], ...] = (
    (lambda start: start.startswith(b"\x89PNG\r\n\x1a\n"), _png_ends_early),
    (lambda start: start.startswith(b"\xff\xd8\xff"), _jpeg_ends_early),
    (lambda start: start.startswith(b"RIFF") and start[8:12] == b"WEBP", _webp_ends_early),
    (lambda start: start.startswith(b"BM"), _bmp_ends_early),
)
