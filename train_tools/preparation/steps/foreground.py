"""Making everything transparent but what stands before the background, by a network that lies on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from train_tools.model.preparation import Preparation
from train_tools.preparation.original import Original
from train_tools.preparation.removers import remover_named

if TYPE_CHECKING:
    from PIL import Image


def without_background(
    picture: Image.Image, preparation: Preparation, original: Original
) -> Sequence[Image.Image]:
    """Transparency that the picture has stays. Raises DatasetNotUsableError when the network can't be used."""
    from PIL import ImageChops

    if not preparation.background_remover:
        return (picture,)
    remover = remover_named(preparation.background_remover, original.models)
    opaque = remover.foreground(picture.convert("RGB"))
    if picture.mode == "RGBA":
        opaque = ImageChops.multiply(opaque, picture.getchannel("A"))
    cut_out = picture.convert("RGBA")
    cut_out.putalpha(opaque)
    return (cut_out,)
