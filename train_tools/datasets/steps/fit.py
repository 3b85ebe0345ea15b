"""Resizing to cover the training size, and cutting off evenly what stands out (S1-25)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from train_tools.model.dataset import Preparation

if TYPE_CHECKING:
    from PIL import Image


def fitted(picture: Image.Image, preparation: Preparation) -> Sequence[Image.Image]:
    from PIL import Image, ImageOps

    size = (preparation.width_px, preparation.height_px)
    return (ImageOps.fit(picture, size, Image.Resampling.LANCZOS),)
