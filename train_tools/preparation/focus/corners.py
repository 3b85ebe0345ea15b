"""Corners: the strongest by Shi and Tomasi's measure, none near to another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

MOST = 100
QUALITY = 0.04
DISTANCE = 0.06
"""Between two corners, of the shorter side."""
CAPTION = 0.1
"""The share of the height at the bottom that is not looked at: there stand signatures and lines of text."""
GREY = 0x99


def corners(picture: Image.Image) -> Sequence[tuple[float, float]]:
    import cv2
    import numpy as np

    grey = np.array(picture.convert("L"))
    grey[int(picture.height * (1 - CAPTION)) :] = GREY
    found = cv2.goodFeaturesToTrack(
        grey,
        maxCorners=MOST,
        qualityLevel=QUALITY,
        minDistance=min(picture.size) * DISTANCE,
        useHarrisDetector=False,
    )
    return () if found is None else [(float(x), float(y)) for x, y in found.reshape(-1, 2)]
