"""The training images: files that can't be read, folders that are left out, captions that are not there.

What makes a good dataset (sharpness, variety, the trigger word) is looked at by checks of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from sd_contract.datasets import IMAGE_SUFFIXES
from sd_contract.errors import DatasetError
from sd_contract.images.image_files import some
from sd_contract.images.image_sizes import Size, image_size
from sd_contract.images.truncation import is_cut_short
from train_tools.model.dataset import CaptionPolicy, Dataset
from train_tools.model.finding import Finding, Level
from train_tools.preflight.prospect import Candidate, Prospect

IMAGES, CAPTIONS, LEFT_OUT = "images", "captions", "left out"
TOO_SMALL = 2.0
"""An image that is enlarged by more is told."""
TOO_NARROW = 3.0
"""An image whose shape differs more from the training size's loses most of itself."""


def images(prospect: Prospect) -> Iterator[Finding]:
    for candidates in prospect.datasets():
        if not (candidates[0].dataset.image_count or candidates[0].dataset.pair):
            continue
        for finding in (*_files(candidates), *_captions(candidates[0].dataset), *_left_out(candidates[0].dataset)):
            for candidate in candidates:
                yield candidate.finds(finding.check, finding.level, finding.message, finding.cure)


def _files(candidates: Sequence[Candidate]) -> Iterator[Finding]:
    dataset = candidates[0].dataset
    sizes: dict[str, Size] = {}
    unreadable = []
    prepared = (image.path for folder in (*dataset.folders, *dataset.regularisation) for image in folder.images)
    for image in (*prepared, *dataset.pair):
        found = _looked_at(image)
        if isinstance(found, str):
            unreadable.append(found)
        else:
            sizes[image.name] = found
    if unreadable:
        yield Finding(
            check=IMAGES,
            level=Level.STOP,
            message=f"{_count(len(unreadable), 'image')} can't be read: {'; '.join(unreadable[:5])}"
            f"{' ...' if len(unreadable) > 5 else ''}.",
            cure="Replace or remove them, then prepare the dataset again.",
        )
    else:
        looked_at = _count(dataset.image_count + len(dataset.pair), "image")
        yield Finding(check=IMAGES, level=Level.OK, message=f"{looked_at} can be read.")
    yield from _sizes(sizes, {candidate.resolution for candidate in candidates})


def _looked_at(image: Path) -> Size | str:
    """Its size, or what is wrong with it; the pixels are not decoded."""
    try:
        status = image.stat()
        return _looked_at_while_unchanged(image, status.st_ino, status.st_size, status.st_mtime_ns)
    except OSError as error:
        return f"{image.name} ({error.strerror or error})"


@lru_cache(maxsize=50_000)
def _looked_at_while_unchanged(image: Path, inode: int, size: int, modified_ns: int) -> Size | str:
    try:
        found = image_size(image)
    except DatasetError:
        return f"{image.name} (no image of a format that is trained on)"
    return f"{image.name} (cut short: its end is missing)" if is_cut_short(image) else found


def _sizes(sizes: dict[str, Size], resolutions: set[Size]) -> Iterator[Finding]:
    width, height = max(resolutions)
    small = [
        f"{name} ({size[0]}x{size[1]})"
        for name, size in sizes.items()
        if size[0] * size[1] * TOO_SMALL**2 < width * height
    ]
    narrow = [
        f"{name} ({size[0]}x{size[1]})"
        for name, size in sizes.items()
        if max(size[0] * height / (size[1] * width), size[1] * width / (size[0] * height)) > TOO_NARROW
    ]
    if small:
        yield Finding(
            check=IMAGES,
            level=Level.WARNING,
            message=f"{_count(len(small), 'image')} would be enlarged more than twice to {width}x{height}: "
            f"{some(small)}.",
            cure="Use larger pictures, or train at a smaller resolution.",
        )
    if narrow:
        yield Finding(
            check=IMAGES,
            level=Level.WARNING,
            message=f"{_count(len(narrow), 'image')} would lose most of the picture by cropping: {some(narrow)}.",
            cure="Split or crop them in the preparation, or leave them out.",
        )


def _captions(dataset: Dataset) -> Iterator[Finding]:
    written = [folder for folder in dataset.folders if folder.captions is not CaptionPolicy.CLASS_ONLY]
    missing = [image.path for folder in written for image in folder.images if not image.caption]
    classes = ", ".join(sorted({repr(folder.class_name) for folder in written}))
    total = sum(len(folder.images) for folder in written)
    if missing and len(missing) == total:
        yield Finding(
            check=CAPTIONS,
            level=Level.OK,
            message=f"No image has a caption: each is trained as {classes}, the name of its folder.",
        )
    elif missing:
        yield Finding(
            check=CAPTIONS,
            level=Level.WARNING,
            message=f"{len(missing)} of {total} images have no caption and are trained as {classes}: "
            f"{some([path.name for path in missing])}.",
            cure="Write captions for them, or for none.",
        )
    others = sorted({path.parent for path in missing if path.with_suffix(".caption").is_file()})
    for folder in others:
        yield Finding(
            check=CAPTIONS,
            level=Level.WARNING,
            message=f"{folder} holds .caption files, but captions are read from .txt files.",
            cure="Import the folder: that takes them over.",
        )


def _left_out(dataset: Dataset) -> Iterator[Finding]:
    for problem in dataset.problems:
        unreadable = Path(problem.source).suffix.lower() in IMAGE_SUFFIXES
        yield Finding(
            check=LEFT_OUT,
            level=Level.WARNING,
            message=f"{problem.source}: {problem.reason}.",
            cure="" if unreadable else "Put it right, or away: it is not trained on.",
        )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
