"""Turning and mirroring a photograph as its EXIF orientation says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from train_tools.datasets.pictures import DECODING_ERRORS
from train_tools.model.preparation import Preparation
from train_tools.preparation.original import Original

if TYPE_CHECKING:
    from PIL import Image

_ORIENTATION = 0x0112
_MOVES = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
"""What undoes each orientation of the EXIF standard; 1 is upright."""


def turned_upright(picture: Image.Image, preparation: Preparation, original: Original) -> Sequence[Image.Image]:
    from PIL import Image

    move = _MOVES.get(_orientation_of(picture))
    return (picture.transpose(Image.Transpose[move]),) if move else (picture,)


def _orientation_of(picture: Image.Image) -> int:
    """1 where the EXIF data are broken: they are no reason to refuse the picture."""
    try:
        orientation = picture.getexif().get(_ORIENTATION, 1)
    except DECODING_ERRORS:
        return 1
    return orientation if isinstance(orientation, int) else 1
