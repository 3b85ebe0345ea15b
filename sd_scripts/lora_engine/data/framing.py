"""Which part of an image is seen, and how it is tinted. Sizes are (width, height) in pixels; no pixels here."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from lora_engine.data.faces import Face, face_in_name
from lora_engine.maths.streams import Streams
from sd_contract.datasets import DatasetItem
from sd_contract.images.image_sizes import Size

HUE_SHIFT = 8 / 180
"""The most by which colours turn, as a part of the circle."""
GAMMA = 0.95, 1.05
TINTED = 1 / 3
"""Share of the draws with color_aug that are tinted: half in hue, half in brightness."""


@dataclass(frozen=True)
class Framing:
    """An image is scaled to `resized`, then `size` of it is kept from (`left`, `top`) on, then mirrored."""

    resized: Size
    size: Size
    left: int
    top: int
    mirrored: bool = False


@dataclass(frozen=True)
class Tint:
    """A change of colours: hue turned by a part of the circle, brightness by an exponent."""

    hue: float = 0.0
    gamma: float = 1.0


@dataclass(frozen=True)
class View:
    """What is seen of an image in one draw."""

    framing: Framing
    tint: Tint | None = None


def middle_of(item: DatasetItem, *, mirrored: bool = False) -> Framing:
    """The image in its bucket, its overhang cut off equally on both sides."""
    resized, size = item.placement.resized, item.placement.bucket
    left, top = (resized[0] - size[0]) // 2, (resized[1] - size[1]) // 2
    return Framing(resized, size, left, top, mirrored)


def draw_view(item: DatasetItem, number: int, streams: Streams, epoch: int = 1, repeat: int = 0) -> View:
    """What the draw of that number sees of an image. Mirroring, cropping and colours have streams of their own.
    Where a dynamic crop lies depends on image, epoch and repeat alone, whatever other images there are."""
    subset = item.subset
    mirrored = subset.flip_aug and streams.random("flip", number).random() < 0.5
    tint = draw_tint(streams.random("color", number)) if subset.color_aug else None
    if subset.dynamic_crop:
        place = streams.random("dynamic crop", item.image.parent.name, item.image.name, epoch, repeat)
        return View(zoomed(item, place, mirrored), tint)
    crop = streams.random("crop", number)
    face = face_in_name(item.image) if subset.face_crop_aug_range else None
    if face is not None:
        return View(around_face(item, face, crop, mirrored), tint)
    if subset.random_crop:
        return View(anywhere(item, crop, mirrored), tint)
    return View(middle_of(item, mirrored=mirrored), tint)


def anywhere(item: DatasetItem, random: Random, mirrored: bool) -> Framing:
    """The image in its bucket, its overhang cut off by chance."""
    resized, size = item.placement.resized, item.placement.bucket
    left, top = (random.randint(0, resized[axis] - size[axis]) for axis in (0, 1))
    return Framing(resized, size, left, top, mirrored)


def zoomed(item: DatasetItem, random: Random, mirrored: bool) -> Framing:
    """A part anywhere in the image, smaller by chance than the largest one; but for that it is never enlarged."""
    size, covering = item.placement.bucket, item.placement.resized
    largest = max(new / old for new, old in zip(covering, item.size, strict=True))
    zoom = random.uniform(1.0, item.subset.dynamic_crop_zoom)
    scale = max(largest, min(1.0, largest * zoom))
    width, height = (max(least, int(side * scale + 0.5)) for least, side in zip(covering, item.size, strict=True))
    resized = width, height
    left, top = (random.randint(0, resized[axis] - size[axis]) for axis in (0, 1))
    return Framing(resized, size, left, top, mirrored)


def draw_tint(random: Random) -> Tint | None:
    """A slight change of hue or of brightness, in a third of the draws."""
    if random.random() >= TINTED:
        return None
    if random.random() < 0.5:
        return Tint(hue=random.uniform(-HUE_SHIFT, HUE_SHIFT))
    return Tint(gamma=random.uniform(*GAMMA))


def around_face(item: DatasetItem, face: Face, random: Random, mirrored: bool) -> Framing:
    """The image scaled so that its short side is, by chance, as many times as long as the face as
    face_crop_aug_range allows, but never enlarged for that, and cut around the face. With random_crop the cut
    may lie anywhere that shows the face's centre."""
    lowest, highest = item.subset.face_crop_aug_range or (1.0, 1.0)
    size, original = item.placement.bucket, item.size
    covering = max(size[0] / original[0], size[1] / original[1])
    length = max(face.width, face.height)
    times = random.uniform(lowest, highest)
    scale = max(covering, min(1.0, min(size) / (length * times)))
    resized = max(size[0], int(original[0] * scale + 0.5)), max(size[1], int(original[1] * scale + 0.5))
    left, top = (
        _cut(int(centre * scale + 0.5), size[axis], resized[axis], random, item.subset.random_crop)
        for axis, centre in enumerate((face.x, face.y))
    )
    return Framing(resized, size, left, top, mirrored)


def _cut(centre: int, kept: int, length: int, random: Random, shifted: bool) -> int:
    start = centre - kept // 2 + (random.randint(-(kept // 2), kept // 2) if shifted else 0)
    return max(0, min(start, length - kept))
