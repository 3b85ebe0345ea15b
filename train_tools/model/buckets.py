"""What becomes of each image's shape when it is trained: its bucket, how it is scaled, what of it is cut off."""

from __future__ import annotations

from dataclasses import dataclass

Size = tuple[int, int]
"""Width and height in pixels."""


@dataclass(frozen=True, kw_only=True)
class PlacedImage:
    """An image in its bucket. `resized` is the whole of it, scaled; the bucket's size is kept from its middle."""

    image: str
    size: Size
    resized: Size
    bucket: Size
    draws: int
    """How often an epoch takes it."""

    @property
    def kept(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom of the part that is trained, in pixels of the resized image."""
        left, top = ((whole - part) // 2 for whole, part in zip(self.resized, self.bucket, strict=True))
        return left, top, left + self.bucket[0], top + self.bucket[1]

    @property
    def cut(self) -> float:
        """The part of the picture that is cut off."""
        return 1.0 - self.bucket[0] * self.bucket[1] / (self.resized[0] * self.resized[1])

    @property
    def scale(self) -> float:
        """More than 1 where it is enlarged."""
        return max(new / old for new, old in zip(self.resized, self.size, strict=True))


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """Images that are trained at one size. A batch holds images of one bucket only."""

    size: Size
    images: tuple[PlacedImage, ...]
    """What loses most comes first."""
    batches: int
    """Of an epoch; the last of them may not be full."""

    @property
    def draws(self) -> int:
        return sum(image.draws for image in self.images)

    @property
    def cut(self) -> float:
        """The part that its images lose at most."""
        return max((image.cut for image in self.images), default=0.0)


@dataclass(frozen=True, kw_only=True)
class BucketPreview:
    resolution: Size
    enabled: bool
    """Whether images are sorted into buckets; else all come to one size."""
    buckets: tuple[Bucket, ...]
    """The largest first."""
    left_out: tuple[tuple[str, str], ...] = ()
    """Images that no bucket can hold or that can't be read, and why."""
