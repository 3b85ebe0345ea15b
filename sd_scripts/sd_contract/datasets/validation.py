"""Which images are kept back to measure the loss on (validation), and never trained on: whole kinships, so that no
copy of a picture is on the other side."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sd_contract.datasets.description import Dataset, Subset
from sd_contract.datasets.items import CollectedDataset, DatasetItem, collected_from, found_items
from sd_contract.datasets.regularisation import regularisation_warnings
from sd_contract.errors import DatasetError
from sd_contract.images.image_files import some

UNSET_SEED = 0
COPY = re.compile(r"(\d{5})-\d+-(.*)")
"""How tools that prepare images name the copies of one original: 00012-0-cat.png, 00012-1-cat.png."""


@dataclass(frozen=True)
class Divided:
    """What is trained on, and what the loss is measured on; the latter is empty without `validation_split`."""

    training: tuple[CollectedDataset, ...]
    validation: tuple[CollectedDataset, ...]


def collect_divided(datasets: Sequence[Dataset]) -> Divided:
    """The images of all datasets. DatasetError as from `collect`, and when a split leaves either side empty."""
    found = [(dataset, *found_items(dataset)) for dataset in datasets]
    return divided([(dataset, items) for dataset, items, _ in found], [warnings for *_, warnings in found])


def divided(
    found: Sequence[tuple[Dataset, Sequence[DatasetItem]]], warnings: Sequence[Sequence[str]] = ()
) -> Divided:
    """The same of images that were found already, with what is to be told of each dataset."""
    kept_back = _kept_back(found) if any(dataset.validation_split for dataset, _ in found) else frozenset()
    training, validation = [], []
    for place, (dataset, items) in enumerate(found):
        trained = [item for item in items if item.image not in kept_back]
        told = list(warnings[place]) if warnings else []
        told += regularisation_warnings(dataset, trained)
        if any(item.image in kept_back and (item.subset.is_reg or not dataset.validation_split) for item in items):
            told.append(_dropped(dataset, items, kept_back))
        training.append(collected_from(dataset, trained, told))
        if dataset.validation_split:
            own = [item for item in items if item.image in kept_back and not item.subset.is_reg]
            validation.append(_measured(dataset, own))
    return Divided(tuple(training), tuple(validation))


def _kept_back(found: Sequence[tuple[Dataset, Sequence[DatasetItem]]]) -> frozenset[Path]:
    """The images of the kinships that are drawn in any subset."""
    kin = kinships(item.image for _, items in found for item in items)
    drawn: set[int] = set()
    for dataset, items in found:
        for subset in dataset.subsets if dataset.validation_split else ():
            own = [item.image for item in items if item.subset == subset and not subset.is_reg]
            drawn |= set(_drawn(own, kin, dataset))
    kept = frozenset(image for image, kinship in kin.items() if kinship in drawn)
    for dataset, items in found:
        pictures = [item.image for item in items if not item.subset.is_reg]
        if dataset.validation_split and not kept.intersection(pictures):
            raise DatasetError(
                f"validation_split = {dataset.validation_split:g} of {len(pictures)} images is none. Raise it, or "
                "set it to 0."
            )
        if pictures and kept.issuperset(pictures):
            raise DatasetError(
                f"validation_split = {dataset.validation_split:g} of {len(pictures)} images leaves none to train "
                "on. Lower it, or add images that are no copies of each other."
            )
    return kept


def _drawn(images: Sequence[Path], kin: Mapping[Path, int], dataset: Dataset) -> Iterator[int]:
    """Kinships in an order that the seed and the names decide, until the share of the images is reached."""
    wanted, taken = int(len(images) * dataset.validation_split + 0.5), 0
    first_names = {kin[image]: image for image in sorted(images, reverse=True)}
    counts = Counter(kin[image] for image in images)
    seed = UNSET_SEED if dataset.validation_seed is None else dataset.validation_seed
    for kinship in sorted(first_names, key=lambda one: _lot(seed, first_names[one])):
        if taken >= wanted:
            return
        taken += counts[kinship]
        yield kinship


def _lot(seed: int, image: Path) -> str:
    """The folder's own name and not its place, so that a copied project is split in the same way."""
    return hashlib.sha256(
        f"{seed}/{image.parent.name}/{image.name}".encode("utf-8", "surrogateescape")
    ).hexdigest()


def kinships(images: Iterable[Path]) -> dict[Path, int]:
    """A number for each image, the same for those that show the same: one file under several names, files of equal
    content, copies of one original by their names."""
    images = sorted(set(images))
    leader = dict(enumerate(range(len(images))))

    def leading(place: int) -> int:
        while leader[place] != place:
            place = leader[place]
        return place

    first_with: dict[object, int] = {}
    for place, signs in enumerate(_signs(images)):
        for sign in signs:
            leader[leading(place)] = leading(first_with.setdefault(sign, place))
    return {image: leading(place) for place, image in enumerate(images)}


def _signs(images: Sequence[Path]) -> Iterator[list[object]]:
    """What each image shares with those that show the same. Contents are compared only where sizes are equal."""
    sizes = [image.stat().st_size for image in images]
    alike = Counter(sizes)
    for image, size in zip(images, sizes, strict=True):
        signs: list[object] = [image.resolve()]
        if alike[size] > 1:
            signs.append((size, hashlib.sha256(image.read_bytes()).digest()))
        if copy := COPY.fullmatch(image.stem):
            signs.append((image.parent.resolve(), copy[1], copy[2]))
        yield signs


def _measured(dataset: Dataset, items: Sequence[DatasetItem]) -> CollectedDataset:
    """The images as the loss is measured on them: each once, and the same each time."""
    still = {subset: _still(subset) for subset in dataset.subsets}
    rule = dataset.rule
    plain = replace(dataset, subsets=tuple(still.values()), resolution=rule.resolution, enable_bucket=rule.enabled)
    return collected_from(plain, [replace(item, repeats=1, subset=still[item.subset]) for item in items])


def _still(subset: Subset) -> Subset:
    """The subset without what chance does to images and captions."""
    return replace(
        subset,
        num_repeats=1,
        flip_aug=False,
        color_aug=False,
        random_crop=False,
        dynamic_crop=False,
        face_crop_aug_range=None,
        shuffle_caption=False,
        caption_dropout_rate=0.0,
        caption_dropout_every_n_epochs=0,
        caption_tag_dropout_rate=0.0,
        token_warmup_step=0.0,
    )


def _dropped(dataset: Dataset, items: Sequence[DatasetItem], kept_back: frozenset[Path]) -> str:
    names = [
        item.image.name
        for item in items
        if item.image in kept_back and (item.subset.is_reg or not dataset.validation_split)
    ]
    return (
        f"{len(names)} images are not trained on here, because the same pictures are kept back for validation "
        f"elsewhere: {some(names)}"
    )
