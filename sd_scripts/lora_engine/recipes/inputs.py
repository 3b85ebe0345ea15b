"""What a model is fed with in a step: the latents and text states of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from lora_engine.data.batches import Batch, Sample
from lora_engine.data.captions import draw_caption
from lora_engine.data.latents import ImageKey, LatentCache, Moments, draw_latents, image_keys
from lora_engine.families import Family, TextStates
from lora_engine.job import Job
from lora_engine.maths.streams import Streams
from lora_engine.output.reporting import Reporter
from sd_contract.options import Settings


def encode_images(
    job: Job, model: Family, cache_folder: Path | None, reporter: Reporter
) -> dict[ImageKey, Moments]:
    """What the VAE sees in every image; the VAE itself is let go afterwards."""
    cache = LatentCache(model.take_vae(), cache_folder)
    moments = {}
    for key in image_keys(job.datasets):
        reporter.go_on_or_stop()
        moments[key] = cache.moments(key)
    return moments


class Latents:
    """The latents of a batch: drawn once an image with `cache_latents`, else anew for each sample."""

    def __init__(self, settings: Settings, moments: dict[ImageKey, Moments], streams: Streams) -> None:
        self._drawn_once = settings.dataset.cache_latents
        self._moments = moments
        self._streams = streams
        self._places = {key: place for place, key in enumerate(moments)}

    def of(self, batch: Batch) -> Tensor:
        """B x C x H x W on the CPU, unscaled."""
        keys = [self._key(sample, batch) for sample in batch.samples]
        positions = [
            ("image", self._places[key]) if self._drawn_once else ("sample", sample.number)
            for key, sample in zip(keys, batch.samples, strict=True)
        ]
        return draw_latents([self._moments[key] for key in keys], self._streams, positions)

    def _key(self, sample: Sample, batch: Batch) -> ImageKey:
        may_flip = sample.item.subset.flip_aug
        mirrored = may_flip and self._streams.random("flip", sample.number).random() < 0.5
        return ImageKey(sample.item.image, batch.dataset.resolution, mirrored)


class Text:
    """The text states of a batch's captions. While the text encoder is not trained each caption is encoded
    once."""

    def __init__(self, settings: Settings, model: Family, streams: Streams, *, trained: bool) -> None:
        self._clip_skip = settings.model.clip_skip
        self._max_token_length = settings.model.max_token_length
        self._weighted = settings.model.weighted_captions
        self._model = model
        self._streams = streams
        self._trained = trained
        self._known: dict[str, TextStates] = {}

    def of(self, batch: Batch) -> TextStates:
        captions = [self._caption(sample) for sample in batch.samples]
        if self._trained:
            return self._encoded(captions)
        return TextStates.joined([self._encoded_once(caption) for caption in captions])

    def _caption(self, sample: Sample) -> str:
        return draw_caption(sample.item, self._streams.random("caption", sample.number))

    @torch.no_grad()
    def _encoded_once(self, caption: str) -> TextStates:
        if caption not in self._known:
            self._known[caption] = self._encoded([caption])
        return self._known[caption]

    def _encoded(self, captions: Sequence[str]) -> TextStates:
        return self._model.encode_text(
            captions,
            self._clip_skip,
            max_token_length=self._max_token_length,
            weighted=self._weighted,
        )
