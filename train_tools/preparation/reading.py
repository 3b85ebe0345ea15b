"""An original's training images as they lie in files: read no larger than needed, through the steps, as PNG."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from train_tools.datasets.pictures import NotAPictureError, read_picture
from train_tools.model.preparation import Preparation
from train_tools.preparation.original import Original
from train_tools.preparation.steps import prepared

if TYPE_CHECKING:
    from PIL import Image

ROOM = 2
"""JPEGs are decoded no smaller than so many times what is wanted: the difference to a picture that was decoded
whole is then below what 8 bits can show for most pixels (53 dB and more; 44 dB with half of it)."""
COMPRESSION = 1
"""Of PNG. The default of 6 makes files a tenth smaller in four times the time."""


@dataclass(frozen=True)
class Made:
    """What came of one original."""

    images: tuple[bytes, ...] = ()
    problem: str = ""
    """Why there are no images, in words."""


def made_from(path: Path, preparation: Preparation, original: Original) -> Made:
    """Never raises for what is wrong with the picture: the others are to go on."""
    try:
        picture = read_picture(path, at_least_px=needed_px(preparation, original))
        return Made(tuple(as_png(each) for each in prepared(picture, preparation, original)))
    except NotAPictureError as error:
        return Made(problem=str(error))
    except MemoryError:
        return Made(problem="there is not enough memory for it: save it smaller")


def needed_px(preparation: Preparation, original: Original) -> int:
    """The least length of an original's shorter side with which nothing is lost in the training images."""
    sides = [preparation.width_px, preparation.height_px]
    if preparation.auto_crop:
        sides.append(preparation.auto_crop_most_px)
    crop = original.crop
    share = min(crop.right - crop.left, crop.bottom - crop.top) if crop else 1
    return int(max(sides) * ROOM / share)


def as_png(picture: Image.Image) -> bytes:
    """The pixels and nothing else: no profile, no date, no EXIF."""
    picture.info.clear()
    content = io.BytesIO()
    picture.save(content, "PNG", compress_level=COMPRESSION)
    return content.getvalue()
