"""Laying transparent pictures on a colour: c * a + background * (1 - a) (S1-17)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from train_tools.errors import DatasetNotUsableError
from train_tools.model.preparation import Preparation
from train_tools.preparation.original import Original

if TYPE_CHECKING:
    from PIL import Image


def laid_on_background(
    picture: Image.Image, preparation: Preparation, original: Original
) -> Sequence[Image.Image]:
    from PIL import Image

    if picture.mode != "RGBA":
        return (picture,)
    background = Image.new("RGBA", picture.size, (*colour_of(preparation), 255))
    return (Image.alpha_composite(background, picture).convert("RGB"),)


def colour_of(preparation: Preparation) -> tuple[int, int, int]:
    """The background's red, green and blue. Raises DatasetNotUsableError when it is no colour."""
    from PIL import ImageColor

    try:
        red, green, blue = ImageColor.getrgb(preparation.background)[:3]
    except ValueError as error:
        raise DatasetNotUsableError(
            f"The background {preparation.background!r} is not a colour. "
            'Allowed are #rrggbb, such as "#ffffff", and names such as "white".'
        ) from error
    return red, green, blue
