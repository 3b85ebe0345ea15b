"""Caption files: the text beside a picture. Written as UTF-8; read however other programs wrote it.

Only Unicode is read without being asked: which of the older encodings a file has can be guessed, and a wrong guess
would be trained on. So the guess is told, with what the text would read like, and somebody says it.
"""

from __future__ import annotations

import codecs
from pathlib import Path

from train_tools.datasets.encodings import canonical, proposed
from train_tools.errors import DatasetNotUsableError

SUFFIXES = (".txt", ".caption")
"""Where both are there, the first counts (S2-10)."""
LONGEST_BYTES = 1 << 20
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins like UTF-16's, so it is looked for first
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


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


def read_caption(path: Path, encoding: str | None = None) -> str:
    """The text without blanks around it: of UTF-8, UTF-16 or UTF-32 with its mark, or of what `encoding` says for
    files that are neither. Raises DatasetNotUsableError, which proposes encodings."""
    raw = caption_bytes(path)
    if raw is None:
        raise DatasetNotUsableError(f"The caption {path} can't be read: it is not there.")
    return caption_text(raw, path, encoding)


def caption_bytes(path: Path) -> bytes | None:
    """A caption file as it is; None where there is none. Raises DatasetNotUsableError."""
    try:
        with path.open("rb", buffering=0) as file:
            raw = file.read(LONGEST_BYTES + 1) or b""
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DatasetNotUsableError(f"The caption {path} can't be read: {error.strerror or error}.") from error
    if len(raw) > LONGEST_BYTES:
        raise DatasetNotUsableError(f"The caption {path} has more than {LONGEST_BYTES:,} bytes, which none needs.")
    return raw


def caption_text(raw: bytes, path: Path, encoding: str | None = None) -> str:
    """As `read_caption`, of bytes that were read already; `path` is what an error names."""
    mark = next((name for mark, name in _MARKS if raw.startswith(mark)), None)
    try:
        text = raw.decode(mark or "utf-8-sig")
        if "\0" in text:
            raise UnicodeDecodeError("utf-8", raw, raw.find(b"\0"), raw.find(b"\0") + 1, "a zero byte")
        return text.strip()
    except UnicodeDecodeError as error:
        if encoding and not mark:
            return _as_said(raw, path, canonical(encoding))
        raise DatasetNotUsableError(
            f"The caption {path} is not UTF-8 text ({error.reason} at byte {error.start}). "
            f"{_likely(raw)}Save it as UTF-8, or say its encoding."
        ) from error


def _as_said(raw: bytes, path: Path, encoding: str) -> str:
    try:
        return raw.decode(encoding).strip()
    except UnicodeDecodeError as error:
        raise DatasetNotUsableError(
            f"The caption {path} is not {encoding} text either ({error.reason} at byte {error.start}). "
            f"{_likely(raw)}Say another encoding, or save it as UTF-8."
        ) from error


def _likely(raw: bytes) -> str:
    found = [f"{each.name} ({each.sample!r})" for each in proposed(raw)]
    return f"It may be {' or '.join(found)}. " if found else ""
