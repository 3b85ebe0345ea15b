"""Caption files: the text beside a picture. Written as UTF-8; read however other programs wrote it."""

from __future__ import annotations

import codecs
from pathlib import Path

from train_tools.errors import DatasetNotUsableError

SUFFIXES = (".txt", ".caption")
"""Where both are there, the first counts (S2-10)."""


def caption_beside(picture: Path) -> Path | None:
    """The caption file of a picture: same folder, same stem."""
    for suffix in SUFFIXES:
        for spelt in (suffix, suffix.upper()):
            path = picture.with_suffix(spelt)
            if _is_file(path):
                return path
    return None


def _is_file(path: Path) -> bool:
    """Not for a name that is too long to be one: that of a picture may be as long as the disk takes."""
    try:
        return path.is_file()
    except OSError:
        return False


def read_caption(path: Path) -> str:
    """The text without blanks around it. UTF-8, or UTF-16 with its mark; else DatasetNotUsableError."""
    try:
        raw = path.read_bytes()
        encoding = "utf-16" if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
        return raw.decode(encoding).strip()
    except OSError as error:
        raise DatasetNotUsableError(f"The caption {path} can't be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise DatasetNotUsableError(
            f"The caption {path} is not UTF-8 text ({error.reason} at byte {error.start}). "
            "Save it as UTF-8, then start again."
        ) from error
