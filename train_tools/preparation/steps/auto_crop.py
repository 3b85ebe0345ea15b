"""Cutting a picture to the size, in steps of 64 px, that suits its shape best (S1-24)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from train_tools.datasets.pictures import NotAPictureError
from train_tools.model.preparation import Objective, Preparation
from train_tools.preparation.original import Original
from train_tools.preparation.steps.fit import covering

if TYPE_CHECKING:
    from PIL import Image

Size = tuple[int, int]
STEP_PX = 64


def auto_sized(picture: Image.Image, preparation: Preparation, original: Original) -> Sequence[Image.Image]:
    """Raises NotAPictureError when no size is near enough: the picture is left out, as it was in S1."""
    if not preparation.auto_crop:
        return ()
    size = best_size(picture.size, preparation)
    if size is None:
        raise NotAPictureError(
            f"its shape ({picture.width} x {picture.height}) is further than {preparation.auto_crop_threshold} "
            f"from all sizes from {preparation.auto_crop_least_px} to {preparation.auto_crop_most_px} px: raise "
            "auto_crop_threshold, or cut it by hand"
        )
    return (covering(picture, size),)


def best_size(picture: Size, preparation: Preparation) -> Size | None:
    """With "area" the largest size, of equal ones the nearest in shape; with "error" the other way round."""

    def worth(size: Size) -> tuple[float, float]:
        area, nearness = size[0] * size[1], -difference(picture, size)
        return (area, nearness) if preparation.auto_crop_objective == Objective.AREA else (nearness, area)

    return max(_sizes(picture, preparation), key=worth, default=None)


def difference(picture: Size, size: Size) -> float:
    """1 - min(a / b, b / a) of the two quotients of width and height: 0 for equal shapes."""
    a, b = picture[0] * size[1], size[0] * picture[1]
    return 1 - min(a / b, b / a)


def _sizes(picture: Size, preparation: Preparation) -> Iterator[Size]:
    sides = range(preparation.auto_crop_least_px, preparation.auto_crop_most_px + 1, STEP_PX)
    for size in ((width, height) for width in sides for height in sides):
        area_fits = preparation.auto_crop_least_area <= size[0] * size[1] <= preparation.auto_crop_most_area
        if area_fits and difference(picture, size) <= preparation.auto_crop_threshold:
            yield size
