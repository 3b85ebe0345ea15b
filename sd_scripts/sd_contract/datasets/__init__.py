"""Datasets: what a dataset file or a folder says is to be trained on, and the images that are there.

Nothing is skipped silently: what can't be used is a DatasetError, what looks like an oversight is a warning."""

from __future__ import annotations

from pathlib import Path

from sd_contract.datasets.config_file import dataset_config_from, read_dataset_config, to_toml
from sd_contract.datasets.description import Dataset, DatasetConfig, Subset, refuse_what_excludes
from sd_contract.datasets.folders import datasets_from_folders
from sd_contract.datasets.items import CollectedDataset, DatasetItem, collect, collected_from
from sd_contract.datasets.regularisation import balanced_repeats
from sd_contract.datasets.validation import Divided, collect_divided, divided
from sd_contract.errors import DatasetError
from sd_contract.images.image_files import IMAGE_SUFFIXES, list_images
from sd_contract.options.settings import Settings

__all__ = [
    "IMAGE_SUFFIXES",
    "CollectedDataset",
    "Dataset",
    "DatasetConfig",
    "DatasetItem",
    "Divided",
    "Subset",
    "balanced_repeats",
    "collect",
    "collect_divided",
    "collected_from",
    "dataset_config_from",
    "divided",
    "list_images",
    "read_dataset_config",
    "read_datasets",
    "refuse_what_excludes",
    "to_toml",
]


def read_datasets(settings: Settings) -> DatasetConfig:
    """The datasets that the settings name: the dataset file, else what train_data_dir and in_json name."""
    if settings.dataset.dataset_config:
        return read_dataset_config(Path(settings.dataset.dataset_config), settings)
    if settings.dataset.train_data_dir or settings.dataset.in_json:
        return datasets_from_folders(settings)
    raise DatasetError("no images are named. Give --dataset_config FILE or --train_data_dir FOLDER.")
