"""The part of a picture whose pixels, dithered to black and white, are the least even mixture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

STEP_PX = 4


def busiest_part(picture: Image.Image, size: tuple[int, int]) -> Sequence[tuple[float, float]]:
    """The middle of the part of that size, slid along the longer side, that has most; none for a square."""
    if picture.width == picture.height:
        return ()
    along = 0 if picture.width > picture.height else 1
    best, place = 0.0, 0
    for start in range(0, picture.size[along] - size[along] + 1, STEP_PX):
        part = picture.crop(_box(start, along, size))
        if (measured := entropy(part)) > best:
            best, place = measured, start
    left, top, *_ = _box(place, along, size)
    return ((left + size[0] // 2, top + size[1] // 2),)


def entropy(picture: Image.Image) -> float:
    """- sum of log2 p over black and white, p being the share of the dithered pixels, as S1 measured it."""
    import numpy as np

    counts = np.array(picture.convert("1").histogram(), dtype=float)
    shares = counts[counts > 0] / counts.sum()
    return float(-np.log2(shares).sum())


def _box(start: int, along: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
    left, top = (start, 0) if along == 0 else (0, start)
    return (left, top, left + size[0], top + size[1])
