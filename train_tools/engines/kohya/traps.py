"""What kohya's scripts do in silence, or stop at in the middle, that has to do with a dataset: measured, one by
one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sd_contract.errors import DatasetError
from sd_contract.images.image_files import some
from sd_contract.images.image_sizes import image_size
from sd_contract.options import parse_resolution
from train_tools.engines.images import CAPTION_SUFFIX, RESOLUTION
from train_tools.model.dataset import CaptionPolicy, Dataset
from train_tools.model.finding import Finding, Level

IMAGES, CAPTIONS, VALIDATION, MASKS, CONTRADICTION = "images", "captions", "validation", "masks", "contradiction"
TEXT_CACHE = ("cache_text_encoder_outputs", "cache_text_encoder_outputs_to_disk")
CHANGING_CAPTIONS = (
    "shuffle_caption",
    "caption_dropout_rate",
    "caption_dropout_every_n_epochs",
    "caption_tag_dropout_rate",
    "token_warmup_step",
)
"""What gives an image another caption each time; a text encoder's kept output stays the same."""


def traps(options: Mapping[str, Any], dataset: Dataset) -> Iterator[Finding]:
    images = [image.path for folder in (*dataset.folders, *dataset.regularisation) for image in folder.images]
    yield from _mixed_case(images)
    yield from _empty_captions(dataset)
    yield from _masks(dataset)
    yield from _kept_text(options)
    if not any(options.get(name) for name in ("cache_latents", "cache_latents_to_disk", "enable_bucket")):
        yield from _other_sizes(options, images)
    if options.get("validation_split") and options.get("validation_seed") is None:
        yield Finding(
            check=VALIDATION,
            level=Level.WARNING,
            message="validation_split without validation_seed: the images to validate with are drawn apart from "
            "those to train on, so they overlap.",
            cure="Set validation_seed=1.",
        )


def _masks(dataset: Dataset) -> Iterator[Finding]:
    """Subsets with masks know neither regularisation nor a class that stands in for captions."""
    masked = [folder for folder in dataset.folders if folder.masks]
    if masked and dataset.regularisation:
        yield Finding(
            check=MASKS,
            level=Level.STOP,
            message="kohya's scripts can't train with masks and regularisation images together.",
            cure="Leave one of them out, or train with the bundled engine.",
        )
    if any(not image.caption for folder in masked for image in folder.images):
        yield Finding(
            check=MASKS,
            level=Level.WARNING,
            message="With masks, kohya's scripts train images without a caption without any word, not as their "
            "class.",
            cure="Write captions for all.",
        )


def _kept_text(options: Mapping[str, Any]) -> Iterator[Finding]:
    cache = next((name for name in TEXT_CACHE if options.get(name)), None)
    if cache is None:
        return
    changing = " and ".join(name for name in CHANGING_CAPTIONS if options.get(name))
    if changing:
        yield Finding(
            check=CONTRADICTION,
            level=Level.STOP,
            message=f"{cache} reads each caption once, but {changing} would change it each time.",
            cure=f"Take {cache} out, or {changing}.",
        )
    if not options.get("network_train_unet_only"):
        yield Finding(
            check=CONTRADICTION,
            level=Level.STOP,
            message=f"{cache} keeps what the text encoder says, so the text encoder can't be trained.",
            cure=f"Set network_train_unet_only=true, or take {cache} out.",
        )


def _mixed_case(images: Sequence[Path]) -> Iterator[Finding]:
    odd = [path.name for path in images if path.suffix not in (path.suffix.lower(), path.suffix.upper())]
    if odd:
        yield Finding(
            check=IMAGES,
            level=Level.STOP,
            message=f"kohya's scripts see only endings that are all lower or all upper case, and would leave "
            f"{len(odd)} out in silence: {some(odd)}.",
            cure="Rename them.",
        )


def _empty_captions(dataset: Dataset) -> Iterator[Finding]:
    empty = [
        image.path.with_suffix(CAPTION_SUFFIX).name
        for folder in (*dataset.folders, *dataset.regularisation)
        if folder.captions is not CaptionPolicy.CLASS_ONLY
        for image in folder.images
        if not image.caption and _is_empty(image.path.with_suffix(CAPTION_SUFFIX))
    ]
    if empty:
        yield Finding(
            check=CAPTIONS,
            level=Level.STOP,
            message=f"kohya's scripts stop at a caption file without a byte; {len(empty)} are: {some(empty)}.",
            cure="Delete them: the class is taken then; or write captions.",
        )


def _is_empty(path: Path) -> bool:
    try:
        return path.stat().st_size == 0
    except OSError:
        return False


def _other_sizes(options: Mapping[str, Any], images: Sequence[Path]) -> Iterator[Finding]:
    wanted = parse_resolution(str(options["resolution"])) if options.get("resolution") else RESOLUTION
    odd = [path.name for path in images if _size(path) not in (None, wanted)]
    if odd:
        yield Finding(
            check=IMAGES,
            level=Level.STOP,
            message=f"{len(odd)} images are not exactly {wanted[0]}x{wanted[1]}, and without cache_latents and "
            f"enable_bucket kohya's scripts don't scale them but stop at the first: {some(odd)}.",
            cure="Set cache_latents=true, or enable_bucket=true.",
        )


def _size(path: Path) -> tuple[int, int] | None:
    try:
        return image_size(path)
    except DatasetError:
        return None
