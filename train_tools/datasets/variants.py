"""The dataset as one run sees it: other repeats, other captions. Nothing on the disk changes."""

from __future__ import annotations

from dataclasses import replace

from train_tools.datasets.dataset import content_of
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
