"""Which of the encodings from before Unicode a text may have. A guess for people to decide on,
never acted upon."""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from train_tools.errors import DatasetNotUsableError

SAMPLE = 24
READ_BYTES = 4096
LIKELY = 0.5


@dataclass(frozen=True)
class Proposal:
    """An encoding by Python's name, with the beginning of the text that it would make."""

    name: str
    sample: str


def canonical(name: str) -> str:
    """Python's name of an encoding. DatasetNotUsableError for one that is none, or that makes no text."""
    try:
        found = codecs.lookup(name)
        b"".decode(name)
    except (LookupError, ValueError, UnicodeError):
        known = ", ".join(each for each, _ in _CANDIDATES)
        raise DatasetNotUsableError(f"There is no encoding {name!r}. Those met most often: {known}.") from None
    return found.name


def proposed(raw: bytes) -> tuple[Proposal, ...]:
    """The two likeliest encodings of bytes that are no UTF-8, the likelier first; fewer where little speaks for
    them."""
    read = raw[:READ_BYTES]
    judged = []
    for name, judge in _CANDIDATES:
        text = _decoded(read, name)
        if text is not None and (likely := _likelihood(text, judge)) >= LIKELY:
            judged.append((likely, Proposal(name, " ".join(text.split())[:SAMPLE])))
    ranked = sorted(judged, key=lambda each: -each[0])
    return tuple(proposal for _, proposal in ranked[:2])


def _decoded(raw: bytes, name: str) -> str | None:
    for cut in (0, 1):  # what was read may end within a character
        try:
            return raw[: len(raw) - cut].decode(name)
        except UnicodeDecodeError:
            continue
    return None


def _likelihood(text: str, judge: Callable[[str, str], float]) -> float:
    """How much the letters beyond ASCII look like what people write in that encoding: from 0 to 1."""
    if any(unicodedata.category(letter) in ("Cc", "Co", "Cn") and letter not in "\t\r\n" for letter in text):
        return 0.0
    foreign = [(before, letter) for before, letter in zip(f" {text}", text, strict=False) if ord(letter) > 127]
    return sum(judge(before, letter) for before, letter in foreign) / len(foreign) if foreign else 0.0


def _chinese(before: str, letter: str) -> float:
    """The commoner half of the characters stands first in GB 2312, ordered by sound."""
    try:
        first = letter.encode("gb2312")[0]
    except UnicodeEncodeError:
        return 0.1
    if 0xB0 <= first <= 0xD7:
        return 0.95
    return 0.6 if first <= 0xA3 else 0.3


def _japanese(before: str, letter: str) -> float:
    if "\u3041" <= letter <= "\u30fe":
        return 1.0
    if "\uff61" <= letter <= "\uff9f":  # halves of katakana: what other texts turn into
        return 0.1
    try:
        first = letter.encode("shift_jis")[0]
    except UnicodeEncodeError:
        return 0.2
    return 0.8 if 0x81 <= first <= 0x97 else 0.3


def _korean(before: str, letter: str) -> float:
    return 0.96 if "\uac00" <= letter <= "\ud7a3" and letter.encode("euc_kr", "ignore") else 0.1


def _taiwanese(before: str, letter: str) -> float:
    first = (letter.encode("big5", "ignore") or b"\xff")[0]
    return 0.85 if 0xA4 <= first <= 0xC6 else 0.3


def _cyrillic(before: str, letter: str) -> float:
    """Words are small letters after an optional capital."""
    if not "\u0400" <= letter <= "\u045f" or (before.isascii() and before.isalpha()):
        return 0.1
    return 0.97 if letter.islower() or not before.isalpha() else 0.2


def _western(before: str, letter: str) -> float:
    """Accented letters stand among others without, seldom side by side."""
    if not letter.isalpha():
        return 0.4
    return 0.8 if letter.islower() and ord(before) < 128 else 0.2


_CANDIDATES: tuple[tuple[str, Callable[[str, str], float]], ...] = (
    ("gbk", _chinese),
    ("shift_jis", _japanese),
    ("euc_kr", _korean),
    ("big5", _taiwanese),
    ("cp1251", _cyrillic),
    ("cp1252", _western),
)
