"""What is wrong or odd about a run's images as far as that can be told before they are decoded. Without torch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

from PIL import Image

from lora_engine.data.faces import face_in_name
from sd_contract.datasets import CollectedDataset, DatasetItem
from sd_contract.errors import DatasetError
from sd_contract.images.image_files import some
from sd_contract.images.truncation import is_cut_short
from sd_contract.options import Settings

CACHE_VARIABLE = "TRAIN_TOOLS_CACHE"
STEPS = {"sdxl": 32}
"""What the sides of buckets have to be multiples of, by family."""
USUAL_STEP = 64


def refuse_unreadable_images(datasets: Iterable[CollectedDataset]) -> None:
    """DatasetError for the first file that is no image by its first bytes, or ends before its picture does; its
    pixels are not decoded yet."""
    for item in (item for collected in datasets for item in collected.items):
        for image in filter(None, (item.image, item.mask)):
            try:
                Image.open(image).close()
                cut_short = is_cut_short(image)
            except (OSError, Image.DecompressionBombError) as error:
                raise DatasetError(f"image {image} can't be read ({error}). Replace or remove it.") from error
            if cut_short:
                raise DatasetError(f"image {image} is cut short: its end is missing. Copy or download it again.")


def refuse_odd_buckets(datasets: Iterable[CollectedDataset], family: str) -> None:
    """DatasetError for bucket sizes that a family's U-Net can't halve as often as it does."""
    wanted = STEPS.get(family, USUAL_STEP)
    for collected in datasets:
        step = collected.dataset.bucket_reso_steps
        if collected.dataset.rule.enabled and step % wanted:
            raise DatasetError(
                f"bucket_reso_steps = {step} does not suit {family} models. A multiple of {wanted} is allowed."
            )


def picture_warnings(settings: Settings, datasets: Sequence[CollectedDataset]) -> Iterator[str]:
    """Settings about images that will not do what they seem to."""
    items = [item for collected in datasets for item in collected.items]
    if settings.augmentation.masked_loss and not any(item.mask or item.subset.alpha_mask for item in items):
        yield "masked_loss has no effect: there are no masks. Name conditioning_data_dir or set alpha_mask."
    if settings.dataset.cache_latents_to_disk and not os.environ.get(CACHE_VARIABLE):
        yield (
            f"cache_latents_to_disk keeps latents for this run only: {CACHE_VARIABLE} names no folder for them."
        )
    cached = settings.dataset.cache_latents or settings.dataset.cache_latents_to_disk
    cropped = [item for item in items if item.subset.dynamic_crop]
    if cropped and cached and not settings.augmentation.dynamic_crop:
        yield f"cache_latents has no effect on {len(cropped)} images: dynamic_crop shows another part at each draw"
    whole = [item.image.name for item in cropped if _shows_one_part(item)]
    if whole:
        yield (
            f"dynamic_crop always shows the same of {len(whole)} images, which are no larger than the crop: "
            f"{some(whole)}"
        )
    for collected in datasets:
        around_faces = [item.image for item in collected.items if item.subset.face_crop_aug_range]
        faceless = [image.name for image in around_faces if face_in_name(image) is None]
        if faceless:
            yield (
                f"{len(faceless)} images are not cropped by face_crop_aug_range, since their names don't end in "
                f"_x_y_width_height: {some(faceless)}"
            )


def _shows_one_part(item: DatasetItem) -> bool:
    """Whether a dynamic crop has no room in an image: it is of the crop's shape, and can't be seen any larger."""
    placement = item.placement
    has_room = placement.resized[0] < item.size[0] and item.subset.dynamic_crop_zoom > 1
    return placement.resized == placement.bucket and not has_room
