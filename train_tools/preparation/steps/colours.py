"""Bringing every kind of pixel to 8-bit RGB, with alpha where the picture has any transparency."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from train_tools.datasets.pictures import NotAPictureError
from train_tools.model.preparation import Preparation
from train_tools.preparation.original import Original

if TYPE_CHECKING:
    from PIL import Image


def in_eight_bit_colours(
    picture: Image.Image, preparation: Preparation, original: Original
) -> Sequence[Image.Image]:
    """Grey of 16 bits is scaled, not cut; palettes, CMYK and the rest are converted. Colours with a profile of
    their own are brought to sRGB, which is what models are trained on and viewers show without one.

    Raises NotAPictureError for colours that can't be.
    """
    if picture.mode.startswith(("I", "F")):
        picture = _scaled_to_eight_bits(picture)
    profile = picture.info.get("icc_profile")
    transparent = picture.has_transparency_data
    if profile and not transparent and picture.mode in ("RGB", "CMYK", "L"):
        picture = _in_srgb(picture, profile)
    if picture.mode == "RGB" and not transparent:
        return (picture,)
    try:
        made = picture.convert("RGBA" if transparent else "RGB")
    except ValueError as error:
        raise NotAPictureError(f"its colours ({picture.mode}) can't be converted to RGB") from error
    return (_in_srgb(made, profile) if profile and transparent else made,)


def _in_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    """As it is when the profile is sRGB's already, is broken, or is meant for other pixels."""
    from PIL import ImageCms

    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(own):
            return picture
        mode = "RGBA" if picture.mode == "RGBA" else "RGB"
        converted = ImageCms.profileToProfile(picture, own, ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture
    return converted or picture


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
