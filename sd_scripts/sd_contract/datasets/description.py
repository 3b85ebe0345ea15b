"""What a dataset is: folders of images and how they are drawn, cropped and captioned. Names are those of
sd-scripts' dataset file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from sd_contract.errors import DatasetError
from sd_contract.images.buckets import BucketRule, place
from sd_contract.images.image_sizes import Size
from sd_contract.options.settings import Settings
from sd_contract.options.table import supported

INTERPOLATIONS = ("lanczos", "nearest", "bilinear", "linear", "bicubic", "cubic", "area")


@dataclass(frozen=True, kw_only=True)
class Subset:
    """One folder of images and how they are drawn. Regularisation images (`is_reg`) teach what must not
    change. With a `metadata_file` the images and captions are those that it lists."""

    image_dir: Path
    metadata_file: Path | None = None
    conditioning_data_dir: Path | None = None
    """Folder of masks that are named like the images."""
    num_repeats: int = 1
    is_reg: bool = False
    class_tokens: str | None = None

    caption_extension: str = ".caption"
    caption_separator: str = ","
    caption_prefix: str | None = None
    caption_suffix: str | None = None
    enable_wildcard: bool = False
    shuffle_caption: bool = False
    keep_tokens: int = 0
    keep_tokens_separator: str = ""
    secondary_separator: str | None = None
    caption_dropout_rate: float = 0.0
    caption_dropout_every_n_epochs: int = 0
    caption_tag_dropout_rate: float = 0.0
    token_warmup_min: int = 1
    token_warmup_step: float = 0.0
    """Steps; below 1 a share of all steps."""

    flip_aug: bool = False
    color_aug: bool = False
    random_crop: bool = False
    dynamic_crop: bool = False
    dynamic_crop_zoom: float = 1.25
    """How many times smaller than the largest part of an image that can be seen the smallest one is."""
    face_crop_aug_range: tuple[float, float] | None = None
    resize_interpolation: str | None = None
    """None: by area when an image is shrunk, Lanczos when it is enlarged."""
    alpha_mask: bool = False
    diff_output_preservation: bool = False
    """The images teach what the base model makes of them already, as regularisation images that need not be its
    own."""

    def __post_init__(self) -> None:
        for name, smallest in SMALLEST.items():
            if getattr(self, name) < smallest:
                raise DatasetError(f"{name} = {getattr(self, name)} is too small. {smallest} or more is allowed.")
        for name in RATES:
            if not 0 <= getattr(self, name) <= 1:
                raise DatasetError(f"{name} = {getattr(self, name)} is no share. 0 to 1 is allowed.")
        if self.resize_interpolation not in (None, *INTERPOLATIONS):
            raise DatasetError(
                f'resize_interpolation = "{self.resize_interpolation}" is unknown. '
                f"Allowed: {', '.join(INTERPOLATIONS)}."
            )
        faces = self.face_crop_aug_range
        if faces is not None and not 0 < faces[0] <= faces[1]:
            raise DatasetError(
                f"face_crop_aug_range = {list(faces)} is no range: "
                "the smaller number comes first, both are above 0."
            )

    @property
    def differs_at_each_draw(self) -> bool:
        """Whether the pixels of an image are others each time, apart from mirroring."""
        return self.color_aug or self.random_crop or self.dynamic_crop or self.face_crop_aug_range is not None


SMALLEST = {
    "num_repeats": 1,
    "keep_tokens": 0,
    "caption_dropout_every_n_epochs": 0,
    "token_warmup_min": 0,
    "token_warmup_step": 0,
    "dynamic_crop_zoom": 1,
}
RATES = ("caption_dropout_rate", "caption_tag_dropout_rate")


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Subsets whose images share batches. `resolution` is (width, height) in pixels."""

    resolution: Size
    batch_size: int
    subsets: tuple[Subset, ...]
    dynamic_crop_resolution: Size | None = None
    """The size of what dynamic crops show; None: the resolution."""
    enable_bucket: bool = False
    min_bucket_reso: int = 256
    max_bucket_reso: int = 1024
    bucket_reso_steps: int = 64
    bucket_no_upscale: bool = False
    network_multiplier: float = 1.0
    validation_split: float = 0.0
    """The share of each subset's images that is only measured on."""
    validation_seed: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.validation_split < 1:
            raise DatasetError(
                f"validation_split = {self.validation_split:g} is no share. 0 to less than 1 is allowed."
            )
        if self.batch_size < 1:
            raise DatasetError(f"batch_size = {self.batch_size} is too small. 1 or more is allowed.")
        place(self.rule.resolution, self.rule)
        folders = [subset.image_dir for subset in self.subsets if not subset.metadata_file]
        for number, images in enumerate(folders):
            if images in folders[:number]:
                raise DatasetError(f"image_dir {images} stands there twice. Raise its num_repeats instead.")
        if len({subset.metadata_file is None for subset in self.subsets}) > 1:
            raise DatasetError(
                "subsets with and without metadata_file can't share a dataset. Put them into two [[datasets]]."
            )

    @property
    def rule(self) -> BucketRule:
        """Dynamic crops are all of one size, so that with them there are no buckets."""
        dynamic = any(subset.dynamic_crop for subset in self.subsets)
        return BucketRule(
            resolution=(self.dynamic_crop_resolution if dynamic else None) or self.resolution,
            enabled=self.enable_bucket and not dynamic,
            smallest=self.min_bucket_reso,
            largest=self.max_bucket_reso,
            step=self.bucket_reso_steps,
            no_upscale=self.bucket_no_upscale,
        )


@dataclass(frozen=True, kw_only=True)
class DatasetConfig:
    """All datasets of a run, and what the reader of their description should know."""

    datasets: tuple[Dataset, ...]
    warnings: tuple[str, ...] = ()


def subset_defaults(settings: Settings, *, is_reg: bool = False) -> dict[str, Any]:
    """What a subset is when nothing nearer to it says otherwise: the options of the same names. The folder of
    masks that the options name is not for regularisation images."""
    captions, pictures = settings.captions, settings.augmentation
    return {
        **_options_of(Subset, settings),
        "num_repeats": settings.dataset.dataset_repeats,
        "caption_extension": dotted(captions.caption_extention or captions.caption_extension),
        "face_crop_aug_range": face_range(pictures.face_crop_aug_range),
        "conditioning_data_dir": None if is_reg else folder(pictures.conditioning_data_dir),
    }


def dataset_defaults(settings: Settings) -> dict[str, Any]:
    """What a dataset is when its description does not say otherwise."""
    return {
        **_options_of(Dataset, settings),
        "resolution": settings.resolution or settings.dynamic_crop_resolution,
        "dynamic_crop_resolution": settings.dynamic_crop_resolution,
        "batch_size": settings.dataset.train_batch_size,
    }


def refuse_what_excludes(config: DatasetConfig, settings: Settings) -> None:
    """DatasetError for what one subset asks for and another part of the run rules out."""
    for dataset in config.datasets:
        for subset in dataset.subsets:
            for forbidden, sentence in _exclusions(subset, dataset, settings):
                if forbidden:
                    raise DatasetError(f"{subset.metadata_file or subset.image_dir}: {sentence}")


def _exclusions(subset: Subset, dataset: Dataset, settings: Settings) -> tuple[tuple[object, str], ...]:
    cached = settings.dataset.cache_latents or settings.dataset.cache_latents_to_disk
    once = "draws other pixels each time, but cache_latents keeps one latent. Leave one of them out."
    return (
        (cached and subset.color_aug, f"color_aug {once}"),
        (cached and subset.random_crop, f"random_crop {once}"),
        (cached and subset.face_crop_aug_range, f"face_crop_aug_range {once}"),
        (
            dataset.rule.enabled and subset.face_crop_aug_range,
            "face_crop_aug_range cuts to one size, but enable_bucket asks for many. Leave one of them out.",
        ),
        (
            subset.conditioning_data_dir and not settings.augmentation.masked_loss,
            "conditioning_data_dir names masks, but masked_loss is not set. Set masked_loss = true.",
        ),
    )


def dotted(extension: str) -> str:
    return extension if extension.startswith(".") else f".{extension}"


def folder(name: str | None) -> Path | None:
    return Path(name) if name else None


def face_range(text: str | None) -> tuple[float, float] | None:
    """Two numbers from "2.0,4.0"."""
    if not text:
        return None
    try:
        low, high = (float(word) for word in text.split(","))
    except ValueError as error:
        raise DatasetError(f'face_crop_aug_range = "{text}" is no range. Write "2.0,4.0".') from error
    return low, high


def _options_of(cls: type, settings: Settings) -> Mapping[str, Any]:
    return {field.name: settings.get(field.name) for field in fields(cls) if supported(field.name)}
