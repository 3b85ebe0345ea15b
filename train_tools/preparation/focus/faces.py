"""Faces: by YuNet where its file is there, else by OpenCV's cascades, which take more for a face than there is."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

YUNET = "face_detection_yunet_2023mar.onnx"
"""As OpenCV's model zoo names it; looked for in models/opencv."""
SCORE, OVERLAP, MOST = 0.9, 0.3, 5000
CASCADES = ("haarcascade_frontalface_default.xml", "haarcascade_profileface.xml")
"""In this order, until one finds a face."""
SMALLEST = 0.05
"""Of the shorter side, for the cascades."""
NEIGHBOURS = 7

_detectors = threading.local()
"""OpenCV's detectors can't be asked by two threads at once."""


def faces(picture: Image.Image, models: Path | None) -> Sequence[tuple[float, float]]:
    """A point in each face: half across its box and, with YuNet, a third down, near the eyes."""
    import cv2
    import numpy as np

    pixels = cv2.cvtColor(np.asarray(picture), cv2.COLOR_RGB2BGR)
    network = models / "opencv" / YUNET if models else None
    if network and network.is_file():
        return _by_yunet(pixels, network)
    return _by_cascades(pixels)


def _by_yunet(pixels: Any, network: Path) -> Sequence[tuple[float, float]]:
    import cv2

    height, width = pixels.shape[:2]
    detector = _kept(
        str(network), lambda: cv2.FaceDetectorYN.create(str(network), "", (width, height), SCORE, OVERLAP, MOST)
    )
    detector.setInputSize((width, height))
    _, found = detector.detect(pixels)
    boxes = [] if found is None else [each[:4] for each in found]
    return [(int(x + w * 0.5), int(y + h * 0.33)) for x, y, w, h in boxes]


def _by_cascades(pixels: Any) -> Sequence[tuple[float, float]]:
    import cv2

    grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    smallest = int(min(grey.shape) * SMALLEST)
    for name in CASCADES:
        cascade = _kept(name, partial(_cascade, name))
        found = cascade.detectMultiScale(
            grey, scaleFactor=1.1, minNeighbors=NEIGHBOURS, minSize=(smallest, smallest)
        )
        if len(found):
            return [(int(x + w // 2), int(y + h // 2)) for x, y, w, h in found]
    return ()


def _cascade(name: str) -> Any:
    import cv2

    return cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / name))


def _kept(name: str, make: Any) -> Any:
    """This thread's detector of that name."""
    if not hasattr(_detectors, "by_name"):
        _detectors.by_name = {}
    if name not in _detectors.by_name:
        _detectors.by_name[name] = make()
    return _detectors.by_name[name]
