"""What a trained file tells of the images it was trained on: folders, buckets, tags. The keys are sd-scripts'."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from sd_contract.datasets import CollectedDataset, DatasetItem, Subset
from sd_contract.images.buckets import aspect_error
from sd_contract.options.settings import Settings

TAG_LIST_HEADER = "[count] tag"
SUBSET_KEYS = (
    "num_repeats",
    "color_aug",
    "flip_aug",
    "random_crop",
    "shuffle_caption",
    "keep_tokens",
    "keep_tokens_separator",
    "secondary_separator",
    "enable_wildcard",
    "caption_prefix",
    "caption_suffix",
    "resize_interpolation",
)
DYNAMIC_KEYS = ("dynamic_crop", "dynamic_crop_zoom")
"""What sd-scripts knows nothing of, told where it is so."""
Frequency = Mapping[str, Mapping[str, int]]
"""Folder -> tag -> images that bear it."""


def dataset_facts(
    settings: Settings, datasets: Sequence[CollectedDataset], validation: Sequence[CollectedDataset] = ()
) -> dict[str, object]:
    """The metadata without their `ss_`. Without a dataset file they are those of the one dataset. Images of
    `validation` are only counted."""
    facts: dict[str, object] = {
        "num_train_images": sum(collected.samples_of(is_reg=False) for collected in datasets),
        "num_reg_images": sum(collected.samples_of(is_reg=True) for collected in datasets),
        "num_validation_images": sum(collected.samples for collected in validation),
        "caption_dropout_rate": settings.captions.caption_dropout_rate,
        "caption_dropout_every_n_epochs": settings.captions.caption_dropout_every_n_epochs,
        "caption_tag_dropout_rate": settings.captions.caption_tag_dropout_rate,
        "face_crop_aug_range": settings.augmentation.face_crop_aug_range,
        "resize_interpolation": settings.augmentation.resize_interpolation,
        "cache_latents": settings.dataset.cache_latents,
        "tag_frequency": tag_frequency(datasets),
        "dataset_dirs": _folders(datasets, is_reg=False),
    }
    if not datasets:
        return facts
    if settings.augmentation.dynamic_crop:
        facts |= {key: settings.get(key) for key in DYNAMIC_KEYS}
    if settings.dataset.dataset_config:
        return facts | {"datasets": [_dataset_table(collected) for collected in datasets]}
    return facts | {"reg_dataset_dirs": _folders(datasets, is_reg=True)} | _only_dataset(settings, datasets[0])


def tag_frequency(datasets: Iterable[CollectedDataset]) -> Frequency:
    """How many images of each folder bear each tag, repeats not counted. A folder of several datasets counts
    once."""
    folders: dict[str, Counter[str]] = {}
    for collected in datasets:
        for name, counter in _tags_by_folder(collected.items).items():
            folders.setdefault(name, counter)
    return folders


def tag_list(datasets: Iterable[CollectedDataset]) -> str:
    """The tags of all folders as lines `[count] tag`, most frequent first, under a header (S1-47)."""
    total = Counter[str]()
    for counter in tag_frequency(datasets).values():
        total.update(counter)
    ranked = sorted(total.items(), key=lambda entry: (-entry[1], entry[0]))
    return "".join(f"{line}\n" for line in (TAG_LIST_HEADER, *(f"[{count}] {tag}" for tag, count in ranked)))


def bucket_info(collected: CollectedDataset) -> dict[str, object] | None:
    """The buckets with the samples of an epoch, and how far the images' shapes are from theirs on average; None
    without buckets."""
    if not collected.dataset.rule.enabled:
        return None
    errors = [aspect_error(item.size, item.placement.bucket) for item in collected.items]
    return {
        "buckets": {
            str(number): {"resolution": list(size), "count": count}
            for number, (size, count) in enumerate(collected.buckets.items())
        },
        "mean_img_ar_error": sum(errors) / len(errors) if errors else 0.0,
    }


def _only_dataset(settings: Settings, collected: CollectedDataset) -> dict[str, object]:
    dataset = collected.dataset
    return {
        "batch_size_per_device": dataset.batch_size,
        "total_batch_size": dataset.batch_size,
        "resolution": dataset.rule.resolution,
        "color_aug": settings.augmentation.color_aug,
        "flip_aug": settings.augmentation.flip_aug,
        "random_crop": settings.augmentation.random_crop,
        "shuffle_caption": settings.captions.shuffle_caption,
        "enable_bucket": dataset.rule.enabled,
        "bucket_no_upscale": dataset.bucket_no_upscale,
        "min_bucket_reso": dataset.min_bucket_reso,
        "max_bucket_reso": dataset.max_bucket_reso,
        "keep_tokens": settings.captions.keep_tokens,
        "bucket_info": bucket_info(collected),
    }


def _dataset_table(collected: CollectedDataset) -> dict[str, object]:
    dataset = collected.dataset
    return {
        "is_dreambooth": all(subset.metadata_file is None for subset in dataset.subsets),
        "batch_size_per_device": dataset.batch_size,
        "num_train_images": collected.samples_of(is_reg=False),
        "num_reg_images": collected.samples_of(is_reg=True),
        "resolution": list(dataset.rule.resolution),
        "enable_bucket": dataset.rule.enabled,
        "min_bucket_reso": dataset.min_bucket_reso,
        "max_bucket_reso": dataset.max_bucket_reso,
        "tag_frequency": tag_frequency([collected]),
        "bucket_info": bucket_info(collected),
        "subsets": [_subset_table(subset, collected.items) for subset in dataset.subsets],
    }


def _subset_table(subset: Subset, items: Sequence[DatasetItem]) -> dict[str, object]:
    listed = subset.metadata_file
    captioned = {"class_tokens": subset.class_tokens, "is_reg": subset.is_reg}
    return {
        "img_count": _images(subset, items),
        **{key: getattr(subset, key) for key in SUBSET_KEYS},
        **({key: getattr(subset, key) for key in DYNAMIC_KEYS} if subset.dynamic_crop else {}),
        "image_dir": subset.image_dir.name,
        **({"metadata_file": listed.name} if listed else captioned),
    }


def _folders(datasets: Iterable[CollectedDataset], *, is_reg: bool) -> dict[str, dict[str, int]]:
    """Repeats and images by folder name; a name that comes again is numbered."""
    folders: dict[str, dict[str, int]] = {}
    for collected in datasets:
        for subset in collected.dataset.subsets:
            if subset.is_reg == is_reg:
                count = _images(subset, collected.items)
                folders[_unused(_name(subset), folders)] = {"n_repeats": subset.num_repeats, "img_count": count}
    return folders


def _tags_by_folder(items: Iterable[DatasetItem]) -> dict[str, Counter[str]]:
    folders: dict[str, Counter[str]] = {}
    for item in items:
        words = item.caption.replace("\n", ",").split(",")
        tags = {word.strip().lower() for word in words} - {""}
        folders.setdefault(_name(item.subset), Counter()).update(sorted(tags))
    return folders


def _images(subset: Subset, items: Iterable[DatasetItem]) -> int:
    return sum(item.subset == subset for item in items)


def _name(subset: Subset) -> str:
    return (subset.metadata_file or subset.image_dir).name


def _unused(name: str, taken: Mapping[str, object]) -> str:
    number, candidate = 1, name
    while candidate in taken:
        number += 1
        candidate = f"{name} ({number})"
    return candidate
