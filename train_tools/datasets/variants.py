"""The dataset as one run sees it: other repeats, other captions. Nothing on the disk changes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from train_tools.datasets.dataset import content_of, picture_sha256
from train_tools.errors import DatasetNotUsableError
from train_tools.model.dataset import CaptionPolicy, Dataset, DatasetFolder


def variant(dataset: Dataset, repeats: int | None = None, captions: str = CaptionPolicy.AS_WRITTEN) -> Dataset:
    """The dataset with its training folders drawn so often, and with captions by this policy. Regularisation stays
    as it is. A variant that changes nothing has the dataset's own content."""

    def changed(folder: DatasetFolder) -> DatasetFolder:
        return replace(folder, repeats=repeats or folder.repeats, captions=CaptionPolicy(captions))

    folders = tuple(changed(folder) for folder in dataset.folders)
    if folders == dataset.folders:
        return dataset
    return replace(dataset, folders=folders, content=content_of(folders, dataset.regularisation))


def masked(dataset: Dataset, masks: Path) -> Dataset:
    """The dataset with its version's masks, where there are any; regularisation images have none. Raises
    DatasetNotUsableError when some images lack theirs: a trainer would stop there."""
    images = [image.path for folder in dataset.folders for image in folder.images]
    missing = [image.name for image in images if not (masks / f"{image.stem}.png").is_file()]
    if len(missing) == len(images):
        return dataset
    if missing:
        raise DatasetNotUsableError(
            f"{len(missing)} of {len(images)} images have no mask: {_some(missing)}. Make masks for them, or have "
            "white ones made: `train-tools dataset check`."
        )
    folders = tuple(replace(folder, masks=masks) for folder in dataset.folders)
    return replace(dataset, folders=folders, content=content_of(folders, dataset.regularisation))


WITHOUT_IMAGES = Dataset(folders=(), regularisation=(), content=content_of((), ()))
"""What runs take that learn from prompts alone: the same, whatever images a version has."""


def one_pair(original: Path, target: Path) -> Dataset:
    """What a run takes that names the files of its pair; they count by what they show. Raises
    DatasetNotUsableError where one is not there."""
    for file in (original, target):
        if not file.is_file():
            raise DatasetNotUsableError(
                f"The image {file} does not exist. Correct original_image or target_image; a path that does not "
                "begin at a root begins at the version's folder."
            )
    shown = " ".join(picture_sha256(file) for file in (original, target))
    content = hashlib.sha256(f"pair {shown}".encode("ascii")).hexdigest()
    return replace(WITHOUT_IMAGES, content=content, pair=(original, target))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")
