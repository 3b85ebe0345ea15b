"""Bringing a picture to its training size. Splitting, cropping at the focus and auto-sized crops each add images;
where none of them applies, the picture is fitted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from train_tools.model.preparation import Preparation
from train_tools.preparation.original import Original
from train_tools.preparation.steps.auto_crop import auto_sized
from train_tools.preparation.steps.fit import fitted
from train_tools.preparation.steps.focal_crop import cut_around_focus
from train_tools.preparation.steps.split import split

if TYPE_CHECKING:
    from PIL import Image

Framing = Callable[["Image.Image", Preparation, Original], Sequence["Image.Image"]]

FRAMINGS: tuple[Framing, ...] = (split, cut_around_focus, auto_sized)
"""Each gives no image where it is off or does not apply."""


def framed(picture: Image.Image, preparation: Preparation, original: Original) -> Sequence[Image.Image]:
    pictures = [made for framing in FRAMINGS for made in framing(picture, preparation, original)]
    return pictures or fitted(picture, preparation, original)
