"""Buckets: which sizes images are trained at, so that none has to be square, and where each image belongs.

Sizes are (width, height) in pixels. The arithmetic is that of sd-scripts: the app plans with it, the engine
trains by it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import sqrt

from sd_contract.errors import DatasetError
from sd_contract.images.image_sizes import Size

CELL = 8
"""Pixels of one latent cell: every side is a multiple of it."""


@dataclass(frozen=True, kw_only=True)
class BucketRule:
    """How a dataset's sizes are chosen. `smallest` and `largest` limit a side, `step` divides it; they count
    only when `enabled`, and the limits only without `no_upscale`, which never enlarges an image."""

    resolution: Size
    enabled: bool = False
    smallest: int = 256
    largest: int = 1024
    step: int = 64
    no_upscale: bool = False

    def __post_init__(self) -> None:
        width, height = self.resolution
        if min(self.resolution) < CELL or width % CELL or height % CELL:
            raise DatasetError(
                f"resolution {width}x{height} can't be used: both sides must be multiples of {CELL}."
            )
        if not self.enabled:
            return
        if self.step < CELL or self.step % CELL:
            raise DatasetError(f"bucket_reso_steps = {self.step} can't be used: a multiple of {CELL} is wanted.")
        if self.no_upscale:
            return
        if min(self.resolution) < self.low:
            raise DatasetError(
                f"resolution {width}x{height} is below min_bucket_reso = {self.smallest}. "
                f"Set min_bucket_reso to {min(self.resolution)} or less."
            )
        if max(self.resolution) > self.high:
            raise DatasetError(
                f"resolution {width}x{height} is above max_bucket_reso = {self.largest}. "
                f"Set max_bucket_reso to {max(self.resolution)} or more."
            )

    @property
    def low(self) -> int:
        """The shortest side: `smallest` rounded down to a whole number of steps."""
        return self.smallest - self.smallest % self.step

    @property
    def high(self) -> int:
        """The longest side: `largest` rounded up to a whole number of steps."""
        return -(-self.largest // self.step) * self.step


@dataclass(frozen=True)
class Placement:
    """An image in its bucket: the size it is scaled to, and that of the part which is kept of it."""

    resized: Size
    bucket: Size


@lru_cache
def bucket_sizes(rule: BucketRule) -> tuple[Size, ...]:
    """All sizes with about the area of the resolution, sorted by width, then height."""
    area = rule.resolution[0] * rule.resolution[1]
    square = int(sqrt(area)) // rule.step * rule.step
    sizes = {(square, square)}
    for width in range(max(rule.low, rule.step), rule.high + 1, rule.step):
        height = min(rule.high, area // width // rule.step * rule.step)
        if height >= max(rule.low, rule.step):
            sizes |= {(width, height), (height, width)}
    return tuple(sorted(sizes))


@lru_cache(maxsize=100_000)
def place(size: Size, rule: BucketRule) -> Placement:
    """Where an image of that size belongs. DatasetError when no bucket can hold it."""
    if not rule.enabled:
        return Placement(covering(size, rule.resolution), rule.resolution)
    if rule.no_upscale:
        return _placed_without_enlarging(size, rule)
    sizes = bucket_sizes(rule)
    ratio = size[0] / size[1]
    bucket = size if size in sizes else min(sizes, key=lambda one: abs(one[0] / one[1] - ratio))
    return Placement(covering(size, bucket), bucket)


def aspect_error(size: Size, bucket: Size) -> float:
    """How far the shape of an image is from that of its bucket, as width / height."""
    return abs(size[0] / size[1] - bucket[0] / bucket[1])


def covering(size: Size, bucket: Size) -> Size:
    """The size scaled until it just covers the bucket, rounded half up."""
    wider = size[0] / size[1] > bucket[0] / bucket[1]
    scale = bucket[1] / size[1] if wider else bucket[0] / size[0]
    width, height = (int(side * scale + 0.5) for side in size)
    return max(width, bucket[0]), max(height, bucket[1])


def _placed_without_enlarging(size: Size, rule: BucketRule) -> Placement:
    area = rule.resolution[0] * rule.resolution[1]
    resized = size if size[0] * size[1] <= area else _shrunk(size, area, rule.step)
    bucket = resized[0] // rule.step * rule.step, resized[1] // rule.step * rule.step
    if not all(bucket):
        raise DatasetError(
            f"{size[0]}x{size[1]} pixels are less than one step of {rule.step} pixels on one side, and "
            "bucket_no_upscale forbids to enlarge it. Remove the image or set bucket_no_upscale = false"
        )
    return Placement(resized, bucket)


def _shrunk(size: Size, area: int, step: int) -> Size:
    """The size scaled to the area, then on until one side is a whole number of steps: the side is chosen whose
    bucket has the shape closer to the image's."""
    ratio = size[0] / size[1]
    wide, high = sqrt(area * ratio), sqrt(area / ratio)
    by_width = _floored(wide, step), _floored(_floored(wide, step) / ratio, step)
    by_height = _floored(_floored(high, step) * ratio, step), _floored(high, step)
    if _off(by_width, ratio) < _off(by_height, ratio):
        return by_width[0], int(by_width[0] / ratio + 0.5)
    return int(by_height[1] * ratio + 0.5), by_height[1]


def _floored(length: float, step: int) -> int:
    rounded = int(length + 0.5)
    return rounded - rounded % step


def _off(size: Size, ratio: float) -> float:
    return abs(size[0] / size[1] - ratio) if all(size) else float("inf")
