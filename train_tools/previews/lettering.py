"""Measuring, wrapping and drawing text with whatever fonts this machine has."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from PIL import ImageFont

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
FONT_FILES = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "LiberationSans-Regular.ttf",
    "segoeui.ttf",
    "arial.ttf",
    "Arial Unicode.ttf",
    "NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
    "wqy-microhei.ttc",
    "msyh.ttc",
    "YuGothM.ttc",
    "malgun.ttf",
    "/System/Library/Fonts/PingFang.ttc",
    "/System/Library/Fonts/Hiragino Sans GB.ttc",
)
"""Looked up by Pillow in the system's font folders. The first that has all letters of a text draws it."""
UNASSIGNED = "\U000fffff"
LINE_HEIGHT = 1.3
CUT = "…"


def draw_lines(
    canvas: ImageDraw, place: tuple[float, float], lines: Sequence[str], size_px: int, colour: str
) -> None:
    """Draws lines below each other; `place` is the left upper corner of the first."""
    left, top = place
    for number, line in enumerate(lines):
        canvas.text((left, top + number * line_height(size_px)), line, fill=colour, font=font_for(line, size_px))


def line_height(size_px: int) -> int:
    return round(size_px * LINE_HEIGHT)


@lru_cache(maxsize=10_000)
def width_of(text: str, size_px: int) -> float:
    return font_for(text, size_px).getlength(text)


@lru_cache(maxsize=10_000)
def wrapped(text: str, size_px: int, width_px: float, most_lines: int) -> tuple[str, ...]:
    """The text in lines of at most that width, broken between words, else inside them; "…" where it is cut off."""
    lines = [line for paragraph in plain(text).split("\n") for line in _broken(paragraph, size_px, width_px)]
    if len(lines) <= most_lines:
        return tuple(lines)
    last = lines[most_lines - 1]
    while last and width_of(last + CUT, size_px) > width_px:
        last = last[:-1]
    return (*lines[: most_lines - 1], last + CUT)


def plain(text: str) -> str:
    """The text without control characters other than the line's end."""
    return "".join(
        letter if letter == "\n" or unicodedata.category(letter) not in ("Cc", "Cs") else " " for letter in text
    )


def font_for(text: str, size_px: int) -> Font:
    """The first font that has every letter of the text, else the one that has most."""
    fonts = _fonts(size_px)
    letters = {letter for letter in text if not letter.isspace()}
    return max(fonts, key=lambda font: sum(_has(font, letter) for letter in letters))


@lru_cache
def _fonts(size_px: int) -> tuple[Font, ...]:
    found: list[Font] = []
    for file in FONT_FILES:
        try:
            found.append(ImageFont.truetype(file, size_px))
        except OSError:
            continue
    return (*found, ImageFont.load_default(size_px))


@lru_cache(maxsize=10_000)
def _has(font: Font, letter: str) -> bool:
    try:
        return bytes(font.getmask(letter)) != bytes(font.getmask(UNASSIGNED))
    except UnicodeEncodeError:
        return False


def _broken(paragraph: str, size_px: int, width_px: float) -> list[str]:
    lines, line = [], ""
    for word in paragraph.split(" "):
        candidate = f"{line} {word}" if line else word
        if width_of(candidate, size_px) <= width_px:
            line = candidate
            continue
        lines += [line] if line else []
        *whole, line = _cut_word(word, size_px, width_px)
        lines += whole
    return [*lines, line]


def _cut_word(word: str, size_px: int, width_px: float) -> list[str]:
    pieces, piece = [], ""
    for letter in word:
        if piece and width_of(piece + letter, size_px) > width_px:
            pieces.append(piece)
            piece = ""
        piece += letter
    return [*pieces, piece]
