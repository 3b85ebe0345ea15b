"""Adding copies with left and right exchanged, and with top and bottom exchanged (S1-20)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from train_tools.model.preparation import Preparation
from train_tools.preparation.original import Original

if TYPE_CHECKING:
    from PIL import Image


def with_mirrored_copies(
    picture: Image.Image, preparation: Preparation, original: Original
) -> Sequence[Image.Image]:
    from PIL import ImageOps

    copies = [picture]
    if preparation.mirrored_copies:
        copies.append(ImageOps.mirror(picture))
    if preparation.upside_down_copies:
        copies.append(ImageOps.flip(picture))
    return copies
