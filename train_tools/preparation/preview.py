"""The steps on one original, before all are prepared. Nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from train_tools.datasets.origin import originals
from train_tools.datasets.pictures import read_picture
from train_tools.errors import NotFoundError
from train_tools.model.paths import VersionPaths
from train_tools.model.preparation import Preparation, Preview, Stage
from train_tools.preparation.crops import read_crops
from train_tools.preparation.original import Original
from train_tools.preparation.reading import as_png, needed_px
from train_tools.preparation.steps import stages

if TYPE_CHECKING:
    from PIL import Image


NOT_SHOWN = ("turned upright",)
"""Before it is in 8-bit colours, a picture may be one that no PNG can hold."""


def previewed(version: VersionPaths, name: str | None, preparation: Preparation, models: Path | None) -> Preview:
    """Of the original of that name in origin, else the first: it as it is seen, then what each step that changes
    something makes of it. The last pictures are the training images, byte for byte. Raises NotFoundError when
    there is no such original, NotAPictureError when it can't be used."""
    path = _original(version, name)
    relative = path.relative_to(version.origin).as_posix()
    original = Original(crop=read_crops(version).get(relative), models=models)
    picture = read_picture(path, at_least_px=needed_px(preparation, original))
    shown: list[Stage] = []
    for step, pictures in stages(picture, preparation, original):
        if step in NOT_SHOWN:
            continue
        stage = Stage(name=step, pictures=_as_png(pictures))
        if not shown or stage.pictures != shown[-1].pictures:
            shown.append(stage)
    return Preview(original=relative, stages=tuple(shown))


def _as_png(pictures: Sequence[Image.Image]) -> tuple[bytes, ...]:
    return tuple(as_png(each) for each in pictures)


def _original(version: VersionPaths, name: str | None) -> Path:
    there = originals(version)
    for path in there:
        if name is None or path.relative_to(version.origin).as_posix() == name:
            return path
    raise NotFoundError(
        f"There is no original {name!r} in {version.origin}."
        if name
        else f"There are no originals in {version.origin}. Import some first."
    )
