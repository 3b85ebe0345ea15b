"""Adding a copy with left and right exchanged (S1-20)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from train_tools.model.dataset import Preparation

if TYPE_CHECKING:
    from PIL import Image


def with_mirrored_copy(picture: Image.Image, preparation: Preparation) -> Sequence[Image.Image]:
    from PIL import ImageOps

    return (picture, ImageOps.mirror(picture)) if preparation.mirrored_copies else (picture,)
