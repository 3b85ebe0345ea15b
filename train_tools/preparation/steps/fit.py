"""Resizing to the training size, or to the frames of a size, where nothing else frames the picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from train_tools.datasets.pictures import NotAPictureError
from train_tools.model.preparation import Preparation, Resize
from train_tools.preparation.original import Original
from train_tools.preparation.steps.background import colour_of
from train_tools.preparation.steps.frames import frames_for

if TYPE_CHECKING:
    from PIL import Image

Size = tuple[int, int]


def fitted(picture: Image.Image, preparation: Preparation, original: Original) -> Sequence[Image.Image]:
    """Raises NotAPictureError when the picture is too small and must not be enlarged."""
    size = (preparation.width_px, preparation.height_px)
    if preparation.resize == Resize.KEEP:
        return (kept(picture, size),)
    if preparation.resize == Resize.PAD:
        return (padded(picture, size, preparation),)
    sizes = frames_for(picture.size, preparation) if preparation.resize == Resize.FRAMES else (size,)
    usable = [each for each in sizes if preparation.enlarge or _covers(picture.size, each)]
    if not usable:
        raise NotAPictureError(
            f"it has {picture.width} x {picture.height} pixels, less than {sizes[0][0]} x {sizes[0][1]}, "
            "and is not to be enlarged"
        )
    return tuple(covering(picture, each) for each in usable)


def covering(picture: Image.Image, size: Size) -> Image.Image:
    """The picture so that it just covers the size, what stands out cut off evenly (S1-25)."""
    from PIL import Image, ImageOps

    return ImageOps.fit(picture, size, Image.Resampling.LANCZOS)


def kept(picture: Image.Image, size: Size) -> Image.Image:
    """The whole picture, made smaller until it has at most as many pixels as the size; never enlarged."""
    from PIL import Image

    scale = (size[0] * size[1] / (picture.width * picture.height)) ** 0.5
    if scale >= 1:
        return picture
    width, height = (max(1, round(side * scale)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def padded(picture: Image.Image, size: Size, preparation: Preparation) -> Image.Image:
    """The whole picture within the size, on the background."""
    from PIL import Image, ImageOps

    within = picture
    if preparation.enlarge or not _covers(size, picture.size):
        within = ImageOps.contain(picture, size, Image.Resampling.LANCZOS)
    paper = Image.new("RGB", size, colour_of(preparation))
    paper.paste(within, ((size[0] - within.width) // 2, (size[1] - within.height) // 2))
    return paper


def _covers(large: Size, small: Size) -> bool:
    return large[0] >= small[0] and large[1] >= small[1]
