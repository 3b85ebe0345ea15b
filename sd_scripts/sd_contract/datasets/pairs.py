"""Pairs of images that differ in one thing: an original, and a target that has its name and a suffix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sd_contract.datasets.description import Dataset, Subset
from sd_contract.datasets.items import CollectedDataset, DatasetItem, found_items
from sd_contract.datasets.validation import COPY
from sd_contract.errors import DatasetError
from sd_contract.images.buckets import covering, place
from sd_contract.images.image_files import some
from sd_contract.images.image_sizes import image_size

Targets = Mapping[Path, DatasetItem]
"""The target of each original, by the original's file; in its bucket, so that both can share a batch."""


@dataclass(frozen=True)
class Paired:
    """Datasets of the originals alone, and their targets."""

    originals: tuple[CollectedDataset, ...]
    targets: Targets


def collect_pairs(datasets: Sequence[Dataset], suffix: str, *, reverted: bool = False) -> Paired:
    """The pairs in all datasets, with `reverted` the other way round. DatasetError when an image has no
    partner."""
    return paired([(dataset, *found_items(dataset)) for dataset in datasets], suffix, reverted=reverted)


def paired(
    found: Iterable[tuple[Dataset, Sequence[DatasetItem], Sequence[str]]], suffix: str, *, reverted: bool = False
) -> Paired:
    """The same of images that were found already, with what is to be told of each dataset."""
    originals: list[CollectedDataset] = []
    targets: dict[Path, DatasetItem] = {}
    for dataset, items, warnings in found:
        pairs = _pairs(items, suffix)
        if any(item.subset.dynamic_crop or item.subset.face_crop_aug_range for item, _ in pairs):
            raise DatasetError(
                "dynamic_crop and face_crop_aug_range would cut the images of a pair differently. Leave them out."
            )
        if reverted:
            pairs = [(replace(target, caption=original.caption), original) for original, target in pairs]
        own = tuple(original for original, _ in pairs)
        originals.append(CollectedDataset(dataset=dataset, items=own, warnings=tuple(warnings)))
        targets.update({original.image: _beside(original, target) for original, target in pairs})
    if not targets:
        raise DatasetError(
            f"there is no pair of images. Give an original face.png and its target face{suffix}.png."
        )
    return Paired(tuple(originals), targets)


def pair_of_files(original: Path, target: Path, dataset: Dataset) -> Paired:
    """The one pair of two files that lie anywhere."""
    first, second = (_alone(file, dataset) for file in (original, target))
    collected = CollectedDataset(dataset=dataset, items=(first,))
    return Paired((collected,), {first.image: _beside(first, second)})


def _pairs(items: Sequence[DatasetItem], suffix: str) -> list[tuple[DatasetItem, DatasetItem]]:
    drawn = [item for item in items if not item.subset.is_reg]
    by_name = {_name(item.image): item for item in drawn}
    pairs = [(item, by_name[_name(item.image, suffix)]) for item in drawn if _name(item.image, suffix) in by_name]
    known = {item.image for pair in pairs for item in pair}
    alone = [item.image.name for item in drawn if item.image not in known]
    if alone:
        raise DatasetError(
            f"{len(alone)} images are no pair: {some(alone)}. An original face.png and its target "
            f"face{suffix}.png are one; diff_target_name says what targets end with."
        )
    return pairs


def _name(image: Path, suffix: str = "") -> tuple[Path, str, str]:
    """What tells an image from others: which copy of which original it is, however they were numbered."""
    copy = COPY.fullmatch(image.stem)
    variant, stem = (copy[0].split("-")[1], copy[2]) if copy else ("", image.stem)
    return image.parent, variant, stem + suffix


def _beside(original: DatasetItem, target: DatasetItem) -> DatasetItem:
    """The target in its original's bucket, mirrored and captioned like it."""
    bucket = original.placement.bucket
    placement = replace(original.placement, resized=covering(target.size, bucket))
    if target.size == original.size:
        placement = original.placement
    return replace(target, placement=placement, subset=original.subset, caption=original.caption)


def _alone(file: Path, dataset: Dataset) -> DatasetItem:
    if not file.is_file():
        raise DatasetError(f"image {file} does not exist. Correct original_image or target_image.")
    size = image_size(file)
    return DatasetItem(
        image=file,
        caption="",
        repeats=1,
        subset=Subset(image_dir=file.parent),
        size=size,
        placement=place(size, dataset.rule),
    )
