"""Faces that file names tell of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Face:
    """Centre and size of a face, in pixels of the upright image."""

    x: int
    y: int
    width: int
    height: int


def face_in_name(image: Path) -> Face | None:
    """The face that a file name ending in `_x_y_width_height` tells of."""
    words = image.stem.rsplit("_", 4)[1:]
    if len(words) < 4 or not all(word.isascii() and word.isdecimal() for word in words):
        return None
    x, y, width, height = map(int, words)
    return Face(x, y, width, height) if width and height else None
