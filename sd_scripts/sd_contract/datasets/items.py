"""The images that a dataset's folders hold right now: captions, sizes, places in the buckets, repeats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from pathlib import Path

from sd_contract.datasets.captions import caption_of
from sd_contract.datasets.description import Dataset, Subset
from sd_contract.datasets.metadata_file import read_metadata_file
from sd_contract.datasets.regularisation import balanced_repeats, regularisation_warnings
from sd_contract.errors import DatasetError
from sd_contract.images.buckets import Placement, place
from sd_contract.images.image_files import IMAGE_SUFFIXES, left_out, list_images, some
from sd_contract.images.image_sizes import Size, image_size

TOO_SMALL = 2.0
"""An image that is enlarged by more is told."""
TOO_NARROW = 0.5
"""An image of which less is kept is told."""


@dataclass(frozen=True, kw_only=True)
class DatasetItem:
    """One image, its caption and how often an epoch draws it. `caption` is as it was read; `size` is that of the
    upright image, `placement` where it belongs."""

    image: Path
    caption: str
    repeats: int
    subset: Subset
    size: Size
    placement: Placement
    mask: Path | None = None


@dataclass(frozen=True, kw_only=True)
class CollectedDataset:
    """The images that a dataset's folders hold right now."""

    dataset: Dataset
    items: tuple[DatasetItem, ...]
    warnings: tuple[str, ...] = ()

    @property
    def samples(self) -> int:
        """Images that one epoch draws, repeats included."""
        return sum(item.repeats for item in self.items)

    def samples_of(self, *, is_reg: bool) -> int:
        return sum(item.repeats for item in self.items if item.subset.is_reg == is_reg)

    @cached_property
    def buckets(self) -> Mapping[Size, int]:
        """Samples of an epoch by bucket, sorted by size."""
        counts = Counter[Size]()
        for item in self.items:
            counts[item.placement.bucket] += item.repeats
        return dict(sorted(counts.items()))

    @property
    def batches(self) -> int:
        """Batches of an epoch: each holds images of one bucket, a bucket's last one may be short."""
        return sum(ceil(samples / self.dataset.batch_size) for samples in self.buckets.values())


def collect(dataset: Dataset) -> CollectedDataset:
    """The images of all subsets. DatasetError for a folder that is missing or empty, a file that is no image, or
    when there is nothing but regularisation images."""
    items, warnings = found_items(dataset)
    return collected_from(dataset, items, [*warnings, *regularisation_warnings(dataset, items)])


def found_items(dataset: Dataset) -> tuple[list[DatasetItem], list[str]]:
    """The images of all subsets as they lie there, and what should be told of them. DatasetError as above."""
    warnings: list[str] = []
    return [item for subset in dataset.subsets for item in _items(subset, dataset, warnings)], warnings


def collected_from(
    dataset: Dataset, items: Iterable[DatasetItem], warnings: Sequence[str] = ()
) -> CollectedDataset:
    """These images, the regularisation images among them with repeats that match the others', and after
    them."""
    items = list(items)
    drawn = [item for item in items if not item.subset.is_reg]
    kept = [item for item in items if item.subset.is_reg]
    repeats = balanced_repeats([item.repeats for item in kept], sum(item.repeats for item in drawn))
    balanced = [replace(item, repeats=count) for item, count in zip(kept, repeats, strict=True) if count]
    return CollectedDataset(dataset=dataset, items=(*drawn, *balanced), warnings=tuple(warnings))


def _items(subset: Subset, dataset: Dataset, warnings: list[str]) -> list[DatasetItem]:
    captions = _listed(subset) if subset.metadata_file else _captioned(subset, warnings)
    masks = _masks(subset, [image for image, _ in captions])
    items = [_item(image, caption, masks.get(image), subset, dataset) for image, caption in captions]
    warnings += _misfits(items)
    return items


def _item(image: Path, caption: str, mask: Path | None, subset: Subset, dataset: Dataset) -> DatasetItem:
    size = image_size(image)
    try:
        placement = place(size, dataset.rule)
    except DatasetError as error:
        raise DatasetError(f"image {image}: {error}") from error
    return DatasetItem(
        image=image,
        caption=caption,
        repeats=subset.num_repeats,
        subset=subset,
        size=size,
        placement=placement,
        mask=mask,
    )


def _listed(subset: Subset) -> list[tuple[Path, str]]:
    assert subset.metadata_file is not None
    return read_metadata_file(
        subset.metadata_file,
        subset.image_dir,
        separator=subset.caption_separator,
        every_line=subset.enable_wildcard,
    )


def _captioned(subset: Subset, warnings: list[str]) -> list[tuple[Path, str]]:
    folder = subset.image_dir
    if not folder.is_dir():
        raise DatasetError(f"image folder {folder} does not exist. Correct image_dir or make the folder.")
    images = list_images(folder)
    if not images:
        suffixes = ", ".join(sorted(IMAGE_SUFFIXES))
        raise DatasetError(f"image folder {folder} holds no images. Images are files ending in {suffixes}.")
    warnings += left_out(folder)
    captions = [(image, caption_of(image, subset, warnings)) for image in images]
    uncaptioned = [image.name for image, caption in captions if caption is None]
    if uncaptioned:
        warnings += _missing_captions(subset, uncaptioned)
    return [(image, (subset.class_tokens or "") if caption is None else caption) for image, caption in captions]


def _missing_captions(subset: Subset, names: Sequence[str]) -> Iterator[str]:
    """What to know of images without a caption file: nothing when the class stands in for all and no other
    caption files lie there."""
    others = sorted(
        suffix
        for suffix in {".txt", ".caption"} - {subset.caption_extension}
        if any(subset.image_dir.glob(f"*{suffix}"))
    )
    if not subset.class_tokens:
        yield (
            f"{len(names)} images in {subset.image_dir} have neither a {subset.caption_extension} file nor "
            f"class_tokens and are trained without a caption: {some(names)}"
        )
    if others:
        yield (
            f"{subset.image_dir} holds {others[0]} files, but captions are read from {subset.caption_extension} "
            f'files. Is caption_extension = "{others[0]}" meant?'
        )


def _masks(subset: Subset, images: Sequence[Path]) -> Mapping[Path, Path]:
    folder = subset.conditioning_data_dir
    if folder is None:
        return {}
    if not folder.is_dir():
        raise DatasetError(f"mask folder {folder} does not exist. Correct conditioning_data_dir.")
    by_stem = {mask.stem: mask for mask in list_images(folder)}
    missing = [image.name for image in images if image.stem not in by_stem]
    if missing:
        raise DatasetError(
            f"{len(missing)} images in {subset.image_dir} have no mask in {folder}: {some(missing)}. "
            "A mask has the name of its image, whatever its suffix."
        )
    return {image: by_stem[image.stem] for image in images}


def _misfits(items: Sequence[DatasetItem]) -> Iterator[str]:
    """Images that are enlarged or cropped so much that it looks like an oversight."""
    checks: tuple[tuple[str, Callable[[DatasetItem], bool]], ...] = (
        ("are enlarged more than twice", lambda item: _enlargement(item) > TOO_SMALL),
        ("lose more than half by cropping", lambda item: _kept(item.placement) < TOO_NARROW),
    )
    for what, is_misfit in checks:
        names = [f"{item.image.name} ({item.size[0]}x{item.size[1]})" for item in items if is_misfit(item)]
        if names:
            yield f"{len(names)} images in {items[0].image.parent} {what}: {some(names)}"


def _enlargement(item: DatasetItem) -> float:
    return max(new / old for new, old in zip(item.placement.resized, item.size, strict=True))


def _kept(placement: Placement) -> float:
    (width, height), (resized_width, resized_height) = placement.bucket, placement.resized
    return (width * height) / (resized_width * resized_height)
