"""The dataset as one run sees it: other repeats, other captions. Nothing on the disk changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from train_tools.datasets.dataset import content_of
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


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")
