"""Datasets without a dataset file: `<repeats>_<class>` folders below train_data_dir and reg_data_dir, or the
images that in_json lists."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sd_contract.datasets.description import (
    Dataset,
    DatasetConfig,
    Subset,
    dataset_defaults,
    folder,
    refuse_what_excludes,
    subset_defaults,
)
from sd_contract.errors import DatasetError
from sd_contract.images.image_files import list_images, some
from sd_contract.options.settings import Settings


def datasets_from_folders(settings: Settings) -> DatasetConfig:
    """The one dataset that the options describe."""
    warnings: list[str] = []
    if settings.dataset.in_json:
        subsets = [_listed_subset(settings.dataset.in_json, settings)]
    else:
        subsets = [
            *_subsets(settings.dataset.train_data_dir, settings, warnings, is_reg=False),
            *_subsets(settings.dataset.reg_data_dir, settings, warnings, is_reg=True),
        ]
    values = {**dataset_defaults(settings), "subsets": tuple(subsets)}
    if values["resolution"] is None:
        raise DatasetError("train_data_dir: resolution is missing. Give it as an option.")
    config = DatasetConfig(datasets=(Dataset(**values),), warnings=tuple(warnings))
    refuse_what_excludes(config, settings)
    return config


def _listed_subset(in_json: str, settings: Settings) -> Subset:
    images = folder(settings.dataset.train_data_dir) or Path(in_json).parent
    values = {**subset_defaults(settings), "conditioning_data_dir": None}
    return Subset(**{**values, "image_dir": images, "metadata_file": Path(in_json)})


def _subsets(parent: str | None, settings: Settings, warnings: list[str], *, is_reg: bool) -> Iterator[Subset]:
    if not parent:
        return
    if not Path(parent).is_dir():
        raise DatasetError(f"folder {parent} does not exist. Correct {'reg' if is_reg else 'train'}_data_dir.")
    loose = [image.name for image in list_images(Path(parent))]
    if loose:
        warnings.append(
            f"{len(loose)} images directly in {parent} are left out; only those in its <repeats>_<class> folders "
            f"are trained on: {some(loose)}"
        )
    found = False
    for entry in sorted(entry for entry in Path(parent).iterdir() if entry.is_dir()):
        repeats, _, name = entry.name.partition("_")
        if not (repeats.isascii() and repeats.isdecimal()) or int(repeats) < 1:
            warnings.append(
                f"folder {entry} is left out: its name does not begin with repeats, as 10_{entry.name}."
            )
            continue
        found = True
        own = {"image_dir": entry, "num_repeats": int(repeats), "class_tokens": name or None, "is_reg": is_reg}
        yield Subset(**{**subset_defaults(settings, is_reg=is_reg), **own})
    if not found:
        raise DatasetError(f"folder {parent} holds no <repeats>_<class> folders, such as 10_cat.")
