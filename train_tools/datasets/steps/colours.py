"""Bringing every kind of pixel to 8-bit RGB, with alpha where the picture has any transparency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from train_tools.datasets.pictures import NotAPictureError
from train_tools.model.dataset import Preparation

if TYPE_CHECKING:
    from PIL import Image


def in_eight_bit_colours(picture: Image.Image, preparation: Preparation) -> Sequence[Image.Image]:
    """Grey of 16 bits is scaled, not cut; palettes, CMYK and the rest are converted.

    Raises NotAPictureError for colours that can't be.
    """
    if picture.mode.startswith(("I", "F")):
        picture = _scaled_to_eight_bits(picture)
    try:
        return (picture.convert("RGBA" if picture.has_transparency_data else "RGB"),)
    except ValueError as error:
        raise NotAPictureError(f"its colours ({picture.mode}) can't be converted to RGB") from error


def _scaled_to_eight_bits(picture: Image.Image) -> Image.Image:
    """White is 1 or 255 in pictures of real numbers, 255 or 65535 in those of integers: the least that fits."""
    import numpy as np
    from PIL import Image

    values = np.nan_to_num(np.asarray(picture, dtype=np.float64))
    brightest = values.max(initial=0)
    if picture.mode.startswith("I;16"):
        white = 65535
    elif picture.mode == "F":
        white = 1 if brightest <= 1 else 255
    else:
        white = 255 if brightest <= 255 else 65535
    return Image.fromarray(np.rint(np.clip(values / white, 0, 1) * 255).astype(np.uint8))
