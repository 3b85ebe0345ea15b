"""Cutting out the part that a person chose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from train_tools.model.preparation import Preparation
from train_tools.preparation.original import Original

if TYPE_CHECKING:
    from PIL import Image


def cut_by_hand(picture: Image.Image, preparation: Preparation, original: Original) -> Sequence[Image.Image]:
    """At least one pixel each way is left, however narrow the part."""
    crop = original.crop
    if crop is None:
        return (picture,)
    left, right = _pixels(crop.left, crop.right, picture.width)
    top, bottom = _pixels(crop.top, crop.bottom, picture.height)
    return (picture.crop((left, top, right, bottom)),)


def _pixels(begin: float, end: float, length: int) -> tuple[int, int]:
    first = min(round(begin * length), length - 1)
    return first, max(round(end * length), first + 1)
