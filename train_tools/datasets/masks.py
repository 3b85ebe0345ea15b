"""Masks: how much each part of a training image counts, as grey PNG files named like the images. White counts,
black does not.

They are made for training images, not for originals: a preparation that crops, splits or mirrors otherwise wants
new ones, and `checked` tells which do not fit any more.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from sd_contract.datasets import list_images
from sd_contract.errors import DatasetError
from sd_contract.images.image_sizes import Size, image_size
from train_tools.datasets.folders import class_of
from train_tools.datasets.pictures import (
    DECODING_ERRORS,
    NotAPictureError,
    picture_suffixes,
    read_picture,
    without_warnings,
)
from train_tools.errors import DatasetNotUsableError, NotFoundError
from train_tools.files import storage_error, whole_file
from train_tools.model.dataset import MaskReport, Rejected
from train_tools.model.paths import VersionPaths

if TYPE_CHECKING:
    from PIL import Image

SHAPE_OFF = 0.02
"""A mask is laid over its image whatever its size, but its shape has to be the image's."""

MOST_PIXELS = 64 * 1024**2


def checked(version: VersionPaths) -> MaskReport:
    """The masks that lie there, each against its image."""
    images, problems = _images_by_stem(version), []
    masked = 0
    for mask in list_images(version.masks) if version.masks.is_dir() else ():
        problem = _misfit(mask, images.get(mask.stem, ()))
        if problem:
            problems.append(Rejected(source=mask.name, reason=problem))
        else:
            masked += 1
    return MaskReport(images=len(images), masked=masked, problems=tuple(problems))


def unmasked(version: VersionPaths) -> list[str]:
    """Training images without a mask, by their paths below `processed`."""
    return [
        image.relative_to(version.processed).as_posix()
        for images in _images_by_stem(version).values()
        for image in images
        if not (version.masks / f"{image.stem}.png").is_file()
    ]


def import_masks(version: VersionPaths, sources: Sequence[Path]) -> MaskReport:
    """Takes in masks from files and folders by their stems; a mask that is there is replaced. What fits no
    training image is listed. Raises StorageError."""
    images, problems, written = _images_by_stem(version), [], 0
    for source in _files(sources):
        problem = _misfit(source, images.get(source.stem, ()))
        try:
            if not problem:
                _write(version.masks / f"{source.stem}.png", read_picture(source).convert("L"))
                written += 1
        except NotAPictureError as error:
            problem = str(error)
        if problem:
            problems.append(Rejected(source=str(source), reason=problem))
    return _after(version, written, problems)


def masks_from_opacity(version: VersionPaths) -> MaskReport:
    """Makes masks of the training images that have transparent parts. Raises StorageError."""
    problems, written = [], 0
    for images in _images_by_stem(version).values():
        for image in images:
            try:
                picture = read_picture(image)
                if picture.has_transparency_data:
                    _write(version.masks / f"{image.stem}.png", picture.convert("RGBA").getchannel("A"))
                    written += 1
            except NotAPictureError as error:
                problems.append(Rejected(source=image.name, reason=str(error)))
    return _after(version, written, problems)


def write_mask(version: VersionPaths, image: str, content: bytes) -> None:
    """Makes a PNG file the mask of a training image, in its size. Raises NotFoundError for no such image,
    NotAPictureError or DatasetNotUsableError for what can't be its mask, StorageError."""
    from PIL import Image

    wanted = image_size(_painted(version, image))
    try:
        with without_warnings(), Image.open(io.BytesIO(content), formats=["PNG"]) as sent:
            if sent.width * sent.height > MOST_PIXELS:
                raise NotAPictureError(f"The mask has {sent.width}x{sent.height} pixels, too many.")
            mask = sent.convert("L")
    except DECODING_ERRORS as error:
        if isinstance(error, NotAPictureError):
            raise
        raise NotAPictureError(f"The mask can't be read as a PNG file: {error}") from error
    if _is_of_other_shape(mask.size, wanted):
        raise DatasetNotUsableError(
            f"The mask's shape {mask.width}x{mask.height} is not that of {image}, {wanted[0]}x{wanted[1]}."
        )
    _write(version.mask(image), mask if mask.size == wanted else mask.resize(wanted, Image.Resampling.BILINEAR))


def remove_mask(version: VersionPaths, image: str) -> None:
    """All of the image counts again. Raises NotFoundError, StorageError."""
    _painted(version, image)
    try:
        version.mask(image).unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(version.mask(image), error) from error


def _painted(version: VersionPaths, image: str) -> Path:
    """The training image of that name, which no other shares its mask with."""
    same = _images_by_stem(version).get(PurePosixPath(image).stem, [])
    found = next((path for path in same if path.relative_to(version.processed).as_posix() == image), None)
    if found is None:
        raise NotFoundError(f"There is no training image {image!r} in this version.")
    if len(same) > 1:
        raise DatasetNotUsableError(
            f"{found.name} can't have a mask of its own: {len(same)} training images share its name. Prepare the "
            "dataset, which gives each a name."
        )
    return found


def white_mask(image: Path, file: Path) -> None:
    """A mask by which all of an image counts. Raises DatasetError or StorageError."""
    from PIL import Image

    _write(file, Image.new("L", image_size(image), 255))


def _after(version: VersionPaths, written: int, problems: list[Rejected]) -> MaskReport:
    now = checked(version)
    return MaskReport(images=now.images, masked=now.masked, written=written, problems=(*problems, *now.problems))


def _misfit(mask: Path, images: Sequence[Path]) -> str:
    """Why a mask can't be used; "" where it can."""
    if len(images) != 1:
        return "several images share its name" if images else "no training image has its name"
    try:
        size, wanted = _size(mask), image_size(images[0])
    except (DatasetError, NotAPictureError) as error:
        return str(error)
    if _is_of_other_shape(size, wanted):
        return f"its shape {size[0]}x{size[1]} is not that of {images[0].name}, {wanted[0]}x{wanted[1]}"
    return ""


def _is_of_other_shape(size: Size, wanted: Size) -> bool:
    return abs(size[0] * wanted[1] / (size[1] * wanted[0]) - 1) > SHAPE_OFF


def _size(mask: Path) -> Size:
    try:
        return image_size(mask)
    except DatasetError:
        return read_picture(mask).size  # of a format that is no training image's


def _images_by_stem(version: VersionPaths) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for folder in sorted(version.processed.iterdir()) if version.processed.is_dir() else ():
        if folder.is_dir() and not folder.is_symlink() and class_of(folder.name):
            for image in list_images(folder):
                found.setdefault(image.stem, []).append(image)
    return found


def _files(sources: Sequence[Path]) -> Iterator[Path]:
    for source in sources:
        entries = sorted(source.iterdir()) if source.is_dir() else [source]
        yield from (entry for entry in entries if entry.suffix.lower() in picture_suffixes())


def _write(file: Path, mask: Image.Image) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(file, error) from error
    with whole_file(file) as opened:
        mask.save(opened, "PNG")
