"""Adding copies that are turned and scaled at random (S2-33), the same ones each time for the same image."""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence
from math import cos, radians, sin
from typing import TYPE_CHECKING

from train_tools.model.preparation import FixedSide, Preparation
from train_tools.preparation.original import Original
from train_tools.preparation.steps.background import colour_of

if TYPE_CHECKING:
    from PIL import Image

_ANCHORS = {
    FixedSide.NONE: (0.5, 0.5),
    FixedSide.LEFT: (0.0, 0.5),
    FixedSide.TOP: (0.5, 0.0),
    FixedSide.RIGHT: (1.0, 0.5),
    FixedSide.BOTTOM: (0.5, 1.0),
}
"""The point, in shares of width and height, that keeps its place."""


def with_random_copies(
    picture: Image.Image, preparation: Preparation, original: Original
) -> Sequence[Image.Image]:
    """The copies have the picture's size; where they don't reach, the background shows."""
    copies = range(preparation.random_copies)
    return (picture, *(_copy(picture, preparation, number) for number in copies))


def _copy(picture: Image.Image, preparation: Preparation, number: int) -> Image.Image:
    from PIL import Image

    drawn = random.Random(f"{number} {zlib.crc32(picture.tobytes())}")
    degrees = drawn.uniform(-preparation.random_turn_degrees, preparation.random_turn_degrees)
    scale = drawn.uniform(1 - preparation.random_scale, 1 + preparation.random_scale)
    across, down = _ANCHORS[FixedSide(preparation.random_fixed_side)]
    x, y = across * (picture.width - 1), down * (picture.height - 1)
    return picture.transform(
        picture.size,
        Image.Transform.AFFINE,
        _about(x, y, degrees, scale),
        Image.Resampling.BICUBIC,
        fillcolor=colour_of(preparation),
    )


def _about(x: float, y: float, degrees: float, scale: float) -> tuple[float, float, float, float, float, float]:
    """What Pillow takes for turning and scaling about a point: where each pixel of the copy comes from."""
    a, b = cos(radians(degrees)) / scale, sin(radians(degrees)) / scale
    return (a, b, x - a * x - b * y, -b, a, y + b * x - a * y)
