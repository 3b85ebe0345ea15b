"""Findings by sizes: below the resolution, below what the base model was taught at, of odd shape."""

from __future__ import annotations

from collections.abc import Iterator

from sd_contract.errors import DatasetError
from sd_contract.images.buckets import place
from sd_contract.images.image_sizes import Size
from train_tools.checks.pixels import put_aside
from train_tools.checks.subject import Subject, count, fine, named, warning
from train_tools.model.checks import Cure, CureKind, DatasetFinding

RESOLUTION, RATIOS = "resolution", "ratios"
MUCH_CUT = 0.4
"""An image that loses more of its area than this is told."""
SOME_CUT = 0.1
ENLARGED = 1.05
"""Sides that grow by less are not worth a word."""


def resolution(subject: Subject) -> Iterator[DatasetFinding]:
    width, height = subject.rule.resolution
    small = [image for image, size in subject.sizes.items() if size[0] * size[1] * ENLARGED**2 < width * height]
    if not small:
        if subject.sizes:
            yield fine(RESOLUTION, f"No image is smaller than what is trained, {width}x{height}.")
        return
    told = [f"{image} ({_by(subject.sizes[image])})" for image in small]
    message = f"Smaller than the resolution of {width}x{height}: {count(len(small))}: {named(told)}."
    if len(small) * 2 > len(subject.sizes):
        side = _fitting(sorted(min(size) for size in subject.sizes.values())[len(subject.sizes) // 2])
        yield warning(
            RESOLUTION,
            f"{message} They are most of them.",
            small,
            f"Prepare them larger from their originals, or train at resolution={side}.",
            Cure(kind=CureKind.SET_OPTIONS, arguments={"values": {"resolution": str(side)}}),
        )
    else:
        yield warning(RESOLUTION, message, small, "Use larger pictures, or put these aside.", put_aside(small))


def model_resolution(subject: Subject) -> Iterator[DatasetFinding]:
    """S3-03."""
    side, (width, height) = subject.model_px, subject.rule.resolution
    if side and width * height < side * side:
        yield warning(
            RESOLUTION,
            f"The resolution is {width}x{height}, but the base model was taught at {side}x{side}: smaller "
            "pictures come out worse, and teach it that.",
            cure=f"Train at resolution={side}, with images of that size.",
            remedy=Cure(kind=CureKind.SET_OPTIONS, arguments={"values": {"resolution": str(side)}}),
        )


def ratios(subject: Subject) -> Iterator[DatasetFinding]:
    lost = {image: _lost(subject, size) for image, size in subject.sizes.items()}
    limit = MUCH_CUT if subject.rule.enabled else SOME_CUT
    found = sorted((image for image in lost if lost[image] > limit), key=lambda image: (-lost[image], image))
    if not found:
        return
    told = named([f"{image} ({_by(subject.sizes[image])}, {lost[image]:.0%} cut off)" for image in found])
    if subject.rule.enabled:
        yield warning(
            RATIOS,
            f"Of a shape that no bucket has: {count(len(found))}: {told}.",
            found,
            "Split or crop them in the preparation, or put them aside.",
            put_aside(found),
        )
    else:
        yield warning(
            RATIOS,
            f"Cut to one size, {count(len(found))} lose more than {SOME_CUT:.0%}: {told}.",
            found,
            "Buckets train each at about its own shape.",
            Cure(kind=CureKind.SET_OPTIONS, arguments={"values": {"enable_bucket": True}}),
        )


def _lost(subject: Subject, size: Size) -> float:
    """The part of an image that is cut off."""
    try:
        placed = place(size, subject.rule)
    except DatasetError:
        return 1.0
    return 1.0 - placed.bucket[0] * placed.bucket[1] / (placed.resized[0] * placed.resized[1])


def _fitting(side: int) -> int:
    return max(64, side // 64 * 64)


def _by(size: Size) -> str:
    return f"{size[0]}x{size[1]}"
