"""Cutting a picture around what matters in it: faces, what has most entropy, corners (S1-23)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from train_tools.model.preparation import Preparation
from train_tools.preparation.focus.corners import corners
from train_tools.preparation.focus.entropy import busiest_part
from train_tools.preparation.focus.faces import faces
from train_tools.preparation.original import Original

if TYPE_CHECKING:
    from PIL import Image

Point = tuple[float, float]
Box = tuple[int, int, int, int]


def cut_around_focus(picture: Image.Image, preparation: Preparation, original: Original) -> Sequence[Image.Image]:
    """None for square pictures: S1 left them to be fitted."""
    if not preparation.focal_crop or picture.width == picture.height:
        return ()
    resized = covering_whole(picture, preparation)
    return (resized.crop(box_around(focus_of(resized, preparation, original), resized.size, preparation)),)


def covering_whole(picture: Image.Image, preparation: Preparation) -> Image.Image:
    """The whole picture, as large as it has to be to cover the training size."""
    from PIL import Image

    scale = max(preparation.width_px / picture.width, preparation.height_px / picture.height)
    width = max(preparation.width_px, int(picture.width * scale))
    height = max(preparation.height_px, int(picture.height * scale))
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def focus_of(picture: Image.Image, preparation: Preparation, original: Original) -> Point:
    """The mean of the middle of each kind of points, weighted by what the kind counts; kinds without a point
    don't. The centre when there are none at all."""
    points = points_of(picture, preparation, original)
    weights = {
        "faces": preparation.focal_faces,
        "entropy": preparation.focal_entropy,
        "edges": preparation.focal_edges,
    }
    found = [(weights[kind], _middle(of_kind)) for kind, of_kind in points.items() if of_kind and weights[kind]]
    total = sum(weight for weight, _ in found)
    if not total:
        return picture.width / 2, picture.height / 2
    return (
        round(sum(weight / total * x for weight, (x, _) in found)),
        round(sum(weight / total * y for weight, (_, y) in found)),
    )


def points_of(picture: Image.Image, preparation: Preparation, original: Original) -> dict[str, Sequence[Point]]:
    """What was found of each kind; kinds that don't count aren't looked for."""
    size = (preparation.width_px, preparation.height_px)
    return {
        "faces": faces(picture, original.models) if preparation.focal_faces else (),
        "entropy": busiest_part(picture, size) if preparation.focal_entropy else (),
        "edges": corners(picture) if preparation.focal_edges else (),
    }


def box_around(focus: Point, size: tuple[int, int], preparation: Preparation) -> Box:
    """The training size around the focus, moved so that it lies within the picture."""
    left = _within(int(focus[0]) - preparation.width_px // 2, size[0] - preparation.width_px)
    top = _within(int(focus[1]) - preparation.height_px // 2, size[1] - preparation.height_px)
    return (left, top, left + preparation.width_px, top + preparation.height_px)


def _within(place: int, last: int) -> int:
    return max(0, min(place, last))


def _middle(points: Sequence[Point]) -> Point:
    return sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)
