"""What pictures look like, as numbers that need no model: colours by place, and edges by place and direction. They
tell composition, colours and outlines from one another; they know no faces and no styles."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from train_tools.datasets.pictures import DECODING_ERRORS

SIDE_PX = 64
CELLS = 8
DIRECTIONS = 4


def features_of(pictures: Sequence[Path]) -> list[Any]:
    """Each picture's, those left out that can't be read."""
    found = []
    for picture in pictures:
        try:
            status = picture.stat()
            found.append(_features(picture, status.st_size, status.st_mtime_ns))
        except DECODING_ERRORS:
            continue
    return found


def distance(one: Any, other: Any) -> float:
    """From 0 for the same picture to about 1 for black and white; the mirrored picture is the same."""
    import numpy as np

    return float(min(np.sqrt(np.mean((one[0] - view) ** 2)) for view in other))


def nearest(one: Any, others: Sequence[Any]) -> float:
    return min(distance(one, other) for other in others)


@lru_cache(maxsize=20_000)
def _features(picture: Path, size_bytes: int, modified_ns: int) -> Any:
    """The features of a picture (which depend on no more than its file) and of its mirror image: 2 x N."""
    import numpy as np
    from PIL import Image, ImageOps

    with Image.open(picture) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
        small = ImageOps.fit(upright, (SIDE_PX, SIDE_PX), Image.Resampling.BOX)
    pixels = np.asarray(small, dtype=np.float32) / 255.0
    return np.stack([_looks(pixels), _looks(pixels[:, ::-1])])


def _looks(pixels: Any) -> Any:
    """Half colours, half edges, each scaled so that black against white is about 1."""
    import numpy as np

    colours = _by_cells(pixels)
    grey = pixels.mean(axis=2)
    down, across = np.gradient(grey)
    strength = np.hypot(down, across)
    direction = np.floor((np.arctan2(down, across) % np.pi) / np.pi * DIRECTIONS).astype(int) % DIRECTIONS
    edges = np.stack([strength * (direction == each) for each in range(DIRECTIONS)], axis=2)
    return np.concatenate([colours.ravel(), _by_cells(edges).ravel() * EDGES_COUNT])


EDGES_COUNT = 4.0
"""Edges are few: as they are, colours alone would decide."""


def _by_cells(pixels: Any) -> Any:
    side = SIDE_PX // CELLS
    return pixels.reshape(CELLS, side, CELLS, side, -1).mean(axis=(1, 3))
