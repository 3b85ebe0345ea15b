"""Splitting a long and narrow picture into pieces of the training size that overlap (S1-21, S1-22)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from train_tools.model.preparation import Preparation
from train_tools.preparation.original import Original

if TYPE_CHECKING:
    from PIL import Image


def split(picture: Image.Image, preparation: Preparation, original: Original) -> Sequence[Image.Image]:
    """The pieces from top to bottom, of a wide picture from left to right; none where the shape does not ask
    for it. A square counts as wide."""
    from PIL import Image

    tall = picture.height > picture.width
    across, along = (0, 1) if tall else (1, 0)
    size = (preparation.width_px, preparation.height_px)
    shape = picture.size[across] * size[along] / (picture.size[along] * size[across])
    if not preparation.split or shape >= 1 or shape > preparation.split_threshold:
        return ()
    length = picture.size[along] * size[across] // picture.size[across]
    resized = picture.resize((size[0], length) if tall else (length, size[1]), Image.Resampling.LANCZOS)
    starts = offsets(length, size[along], preparation.split_overlap)
    corners = [(0, start) if tall else (start, 0) for start in starts]
    return tuple(resized.crop((x, y, x + size[0], y + size[1])) for x, y in corners)


def offsets(length: int, piece: int, overlap: float) -> tuple[int, ...]:
    """Where pieces begin so that they reach from end to end, evenly spaced, each sharing at least `overlap` of
    itself with the next: ceil((length - piece * overlap) / (piece * (1 - overlap))) of them."""
    # Rounded, so that 4.000000000000001 is not five.
    count = math.ceil(round((length - piece * overlap) / (piece * (1 - overlap)), 9))
    if count <= 1:
        return ((length - piece) // 2,)
    step = (length - piece) / (count - 1)
    return tuple(int(step * number) for number in range(count))
