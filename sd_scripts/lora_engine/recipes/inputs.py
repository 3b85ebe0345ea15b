"""What a model is fed with in a step: the latents, masks and text states of a batch.

Shapes: B batch, C channels, H and W latent cells, T tokens, D text width."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from lora_engine.data.batches import Batch, Sample
from lora_engine.data.captions import Moment, draw_caption, varies
from lora_engine.data.framing import Framing, View, draw_view
from lora_engine.data.images import load_mask, load_opacity
from lora_engine.data.latents import ImageKey, LatentCache, Moments, draw_latents, image_keys
from lora_engine.errors import NotANumberError
from lora_engine.families import Family, ImageSize, TextStates
from lora_engine.job import Job
from lora_engine.maths.noise import NoiseSource
from lora_engine.maths.streams import Streams
from lora_engine.output.reporting import Reporter
from sd_contract.datasets import CollectedDataset, DatasetItem
from sd_contract.datasets.validation import UNSET_SEED
from sd_contract.images.buckets import CELL
from sd_contract.options import Settings


@dataclass(frozen=True)
class Encoded:
    """What the VAE sees in the images that look the same at each draw, and the VAE for those that don't."""

    moments: Mapping[ImageKey, Moments]
    encoder: LatentCache | None


def encode_images(job: Job, model: Family, cache_folder: Path | None, reporter: Reporter) -> Encoded:
    """Encodes the images; the VAE is let go afterwards unless it is needed at each draw."""
    cache = LatentCache(model.take_vae(), cache_folder)
    moments = {}
    for key in image_keys((*job.datasets, *targets_as_datasets(job), *job.validation)):
        reporter.go_on_or_stop()
        moments[key] = cache.moments(key)
    subsets = [subset for collected in job.datasets for subset in collected.dataset.subsets]
    return Encoded(moments, cache if any(subset.differs_at_each_draw for subset in subsets) else None)


def targets_as_datasets(job: Job) -> Iterator[CollectedDataset]:
    """The targets of pairs, in datasets like those of their originals."""
    for collected in job.datasets if job.targets else ():
        yield replace(collected, items=tuple(job.targets[item.image] for item in collected.items))


def refuse_broken_latents(encoded: Encoded) -> None:
    """NotANumberError for the first image that the VAE makes no numbers of."""
    for key, moments in encoded.moments.items():
        if not bool(moments.mean.isfinite().all()):
            raise NotANumberError(
                f"the VAE makes no numbers of image {key.path}: it overflows, as some made for fp16 do, or it is "
                "damaged. Give another one with the option vae."
            )


@dataclass(frozen=True)
class PictureBatch:
    """The images of a batch: latents B x C x H x W (unscaled), how much each cell counts B x 1 x H x W (None: all
    alike), and what of the images is seen. On the CPU."""

    latents: Tensor
    mask: Tensor | None
    sizes: tuple[ImageSize, ...]


class Pictures:
    """Draws the images of batches: a latent once an image with `cache_latents`, else, and of images that differ at
    each draw, anew for each sample."""

    def __init__(self, settings: Settings, encoded: Encoded, streams: Streams) -> None:
        self._drawn_once = settings.dataset.cache_latents or settings.dataset.cache_latents_to_disk
        self._encoded = encoded
        self._streams = streams
        self._places = {key: place for place, key in enumerate(encoded.moments)}
        self._masks: dict[ImageKey, Tensor] = {}

    def of(self, batch: Batch) -> PictureBatch:
        views = [
            draw_view(sample.item, sample.number, self._streams, sample.epoch, sample.repeat)
            for sample in batch.samples
        ]
        return PictureBatch(
            latents=self._latents(batch, views),
            mask=self._mask(batch, views),
            sizes=tuple(
                size_of(sample.item, view.framing) for sample, view in zip(batch.samples, views, strict=True)
            ),
        )

    def _latents(self, batch: Batch, views: list[View]) -> Tensor:
        keys = [ImageKey.of(sample.item, view.framing) for sample, view in zip(batch.samples, views, strict=True)]
        moments = [self._moments(key, view) for key, view in zip(keys, views, strict=True)]
        positions = [
            ("image", self._places[key]) if self._drawn_once and key in self._places else ("sample", sample.number)
            for key, sample in zip(keys, batch.samples, strict=True)
        ]
        return draw_latents(moments, self._streams, positions)

    def _moments(self, key: ImageKey, view: View) -> Moments:
        if key in self._encoded.moments and view.tint is None:
            return self._encoded.moments[key]
        assert self._encoded.encoder is not None, "an image that was not encoded beforehand needs the VAE"
        return self._encoded.encoder.encode(key, view.tint)

    def _mask(self, batch: Batch, views: list[View]) -> Tensor | None:
        items = [sample.item for sample in batch.samples]
        if not any(item.mask or item.subset.alpha_mask for item in items):
            return None
        return torch.stack([self._mask_of(item, view) for item, view in zip(items, views, strict=True)])

    def _mask_of(self, item: DatasetItem, view: View) -> Tensor:
        key = ImageKey.of(item, view.framing)
        if key in self._masks:
            return self._masks[key]
        mask = mask_of(item, view.framing)
        if not item.subset.differs_at_each_draw:
            self._masks[key] = mask
        return mask


def size_of(item: DatasetItem, framing: Framing) -> ImageSize:
    """What SDXL is told about a draw of an image. The crop begins where it does in the image as it is seen: of a
    mirrored image, in the mirrored one."""
    left = framing.resized[0] - framing.size[0] - framing.left if framing.mirrored else framing.left
    return ImageSize(
        original_width=item.size[0],
        original_height=item.size[1],
        crop_left=left,
        crop_top=framing.top,
        width=framing.size[0],
        height=framing.size[1],
    )


def mask_of(item: DatasetItem, framing: Framing) -> Tensor:
    """How much each cell of an image counts, 1 x H x W: by its mask, else by its opacity, else 1."""
    interpolation = item.subset.resize_interpolation
    if item.mask:
        return load_mask(item.mask, framing, interpolation)
    if item.subset.alpha_mask:
        return load_opacity(item.image, framing, interpolation)
    return torch.ones(1, framing.size[1] // CELL, framing.size[0] // CELL)


@dataclass(frozen=True)
class Draws:
    """Where all that a batch draws comes from: its images, its noise and timesteps, its captions."""

    pictures: Pictures
    noise: NoiseSource
    text: Text

    @classmethod
    def of(cls, job: Job, model: Family, encoded: Encoded, streams: Streams, *, trains_text: bool) -> Draws:
        return cls(
            pictures=Pictures(job.settings, encoded, streams),
            noise=NoiseSource(streams, job.settings.noise),
            text=Text(job, model, streams, trained=trains_text),
        )


def validation_streams(job: Job) -> Streams:
    """Other draws than those of any training, for a seed of their own."""
    seed = job.settings.validation.validation_seed
    return Streams(Streams(UNSET_SEED if seed is None else seed).number("validation"))


class Text:
    """The text states of a batch's captions. While the text encoder is not trained, a caption that does not vary
    is encoded once."""

    def __init__(self, job: Job, model: Family, streams: Streams, *, trained: bool) -> None:
        self._options = job.settings.model
        self._total_steps = job.plan.total_steps
        self._model = model
        self._streams = streams
        self._trained = trained
        self._known: dict[str, TextStates] = {}

    def settle(self, datasets: Iterable[CollectedDataset], *, classes: bool = False) -> bool:
        """Encodes all captions now, with `classes` those too. Whether none will have to be encoded later, so that
        the text encoders may leave the device."""
        items = [item for collected in datasets for item in collected.items]
        if self._trained or any(varies(item.subset) for item in items):
            return False
        for item in items:
            self._encoded_once(draw_caption(item, Moment(0, 1, 0, self._total_steps), self._streams))
            if classes:
                self._encoded_once(item.subset.class_tokens or "")
        return True

    def of_classes(self, batch: Batch) -> TextStates:
        """The states of what the images are one of, instead of their captions."""
        classes = [sample.item.subset.class_tokens or "" for sample in batch.samples]
        if self._trained:
            return self._encoded(classes)
        return TextStates.joined([self._encoded_once(caption) for caption in classes])

    def of(self, batch: Batch) -> TextStates:
        captions = [self._caption(sample, batch) for sample in batch.samples]
        if self._trained or any(varies(sample.item.subset) for sample in batch.samples):
            return self._encoded(captions)
        return TextStates.joined([self._encoded_once(caption) for caption in captions])

    def _caption(self, sample: Sample, batch: Batch) -> str:
        moment = Moment(sample.number, batch.epoch, batch.step - 1, self._total_steps)
        return draw_caption(sample.item, moment, self._streams)

    def _encoded_once(self, caption: str) -> TextStates:
        if caption not in self._known:
            self._known[caption] = self._encoded([caption])
        return self._known[caption]

    def _encoded(self, captions: Sequence[str]) -> TextStates:
        with torch.set_grad_enabled(self._trained and torch.is_grad_enabled()):
            return self._model.encode_text(
                captions,
                self._options.clip_skip,
                max_token_length=self._options.max_token_length,
                weighted=self._options.weighted_captions,
            )
