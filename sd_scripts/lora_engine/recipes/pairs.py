"""What modes that learn from pairs of images are fed with: batches of originals and of their targets, seen alike.

Shapes: B batch, C channels, H and W latent cells."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from lora_engine.data.batches import Batch, Sample, Step
from lora_engine.data.framing import draw_view
from lora_engine.data.images import load_pixels
from lora_engine.data.latents import ImageKey
from lora_engine.families import Family, TextStates
from lora_engine.job import Job
from lora_engine.maths.losses import element_losses, huber_c, sample_means, timestep_weights
from lora_engine.maths.noise import NoiseSchedule
from lora_engine.maths.precision import Precision
from lora_engine.maths.streams import Streams
from lora_engine.recipes.inputs import Draws, Encoded, PictureBatch
from lora_engine.recipes.network import Tell
from lora_engine.recipes.network_learner import NetworkLearner
from sd_contract.datasets import CollectedDataset
from sd_contract.images.buckets import CELL
from sd_contract.options.groups import MULTI_ADDIFT

SEEN_DIFFERENCE = 20 / 255
"""Channels together differ by so much of their range from -1 to 1 where images are said to differ: 10 of 255."""


def pair_steps(
    job: Job, streams: Streams, first: int, count: int, *, batch_size: int | None = None, draws_a_pair: int = 1
) -> Iterator[Step]:
    """`count` steps after the first ones, those that an earlier attempt has done left out. So many batches in a
    row are of the same images."""
    share = job.settings.training.gradient_accumulation_steps
    for place in range(max(0, job.from_step - first), count):
        batches = (
            pair_batch(job.datasets, streams, number, number // draws_a_pair, batch_size)
            for number in range(place * share, (place + 1) * share)
        )
        number = first + place + 1
        yield Step(number, 1, tuple(batches), ends_epoch=number == job.plan.total_steps)


def pair_batch(
    datasets: Sequence[CollectedDataset], streams: Streams, number: int, drawing: int, batch_size: int | None
) -> Batch:
    """Batch `number` of a pass: the images of one draw, of one bucket, each as likely as its repeats. A bucket
    with fewer images fills the batch with them again."""
    chance = streams.random("pairs", drawing)
    collected = chance.choices(datasets, [one.samples for one in datasets])[0]
    bucket = chance.choices(list(collected.buckets), list(collected.buckets.values()))[0]
    pile = [i for i in collected.items if i.placement.bucket == bucket for _ in range(i.repeats)]
    size = batch_size or collected.dataset.batch_size
    chance.shuffle(pile)
    samples = tuple(Sample(pile[place % len(pile)], number * size + place) for place in range(size))
    return Batch(collected.dataset, bucket, samples, epoch=1, step=number + 1)


@dataclass(frozen=True)
class Sides:
    """Both sides of a batch of pairs, and where they differ (B x 1 x H x W; None: everywhere counts)."""

    original: PictureBatch
    target: PictureBatch
    mask: Tensor | None


class PairLearner(NetworkLearner):
    """A LoRA and what all modes of pairs need to improve it. A mode's own learner adds `batch_loss`."""

    def __init__(self, job: Job, model: Family, encoded: Encoded, precision: Precision, tell: Tell) -> None:
        super().__init__(job, model, precision, tell)
        self.draws = Draws.of(job, model, encoded, self.streams, trains_text=False)
        self.schedule = NoiseSchedule(precision.device, zero_terminal_snr=self.settings.noise.zero_terminal_snr)
        self.prompt = self._encoded_prompt()
        self._masks: dict[tuple[ImageKey, ImageKey], Tensor] = {}

    @abstractmethod
    def batch_loss(self, batch: Batch, number: int) -> Tensor:
        """Lets the gradients of a batch add up, the `number`th of its pass. Returns its loss, on the device."""

    def step_loss(self, step: Step) -> Tensor:
        """Lets the gradients of a step's batches add up. Returns their mean loss, on the device."""
        return torch.stack([self.batch_loss(batch, batch.step - 1) for batch in step.batches]).mean()

    def sides(self, batch: Batch) -> Sides:
        """What is seen of the pairs, mirrored alike and with the same draw from the VAE's distribution."""
        original, target = self.draws.pictures.of(batch), self.draws.pictures.of(self._targets(batch))
        return Sides(original, target, self._mask(batch) if self.settings.difference.diff_use_diff_mask else None)

    def clean(self, pictures: PictureBatch) -> Tensor:
        """The latents in the model's scale, on the device."""
        latents_BCHW: Tensor = self.precision.send(pictures.latents * self.model.scaling_factor)
        return latents_BCHW

    def noise(self, batch: Batch, like_BCHW: Tensor) -> Tensor:
        """The same for both sides; with `fixed_noise` for all batches."""
        samples = [sample.number for sample in batch.samples]
        numbers = range(len(samples)) if self.settings.concept.fixed_noise else samples
        return self.precision.send(self.draws.noise.noise(numbers, like_BCHW.cpu()))

    def predict(self, noisy_BCHW: Tensor, t_B: Tensor, batch: Batch, pictures: PictureBatch) -> Tensor:
        """What the model sees, as float32."""
        with self.precision.autocast():
            text = self._text(batch)
            seen = self.model.predict(noisy_BCHW.to(self.precision.dtype), t_B, text, pictures.sizes)
        return seen.float()

    def loss(self, prediction_BCHW: Tensor, target_BCHW: Tensor, t_B: Tensor, mask_B1HW: Tensor | None) -> Tensor:
        options, is_v = self.settings.loss, self.job.base.v_prediction
        c_B = huber_c(options, t_B, self.schedule.alpha_bar[t_B])
        losses_BCHW = element_losses(prediction_BCHW, target_BCHW, options.loss_type, c_B)
        mask_B1HW = None if mask_B1HW is None else self.precision.send(mask_B1HW)
        weights_B = timestep_weights(options, self.schedule.snr(t_B), v_prediction=is_v)
        return (sample_means(losses_BCHW, mask_B1HW) * weights_B).mean()

    def _targets(self, batch: Batch) -> Batch:
        """The targets of a batch under its numbers, so that they are drawn like their originals."""
        samples = (Sample(self.job.targets[one.item.image], one.number) for one in batch.samples)
        return replace(batch, samples=tuple(samples))

    def _mask(self, batch: Batch) -> Tensor:
        keys = [
            tuple(ImageKey.of(item, draw_view(item, sample.number, self.streams).framing) for item in pair)
            for sample in batch.samples
            for pair in ((sample.item, self.job.targets[sample.item.image]),)
        ]
        for original, target in keys:
            if (original, target) not in self._masks:
                self._masks[original, target] = where_they_differ(original, target)
        return torch.stack([self._masks[original, target] for original, target in keys])

    def _text(self, batch: Batch) -> TextStates:
        """What both sides of the pairs show: in mode multi_addift by the originals' captions, else the prompt."""
        if self.settings.mode == MULTI_ADDIFT:
            return self.draws.text.of(batch)
        return TextStates.joined([self.prompt] * len(batch.samples))

    @torch.no_grad()
    def _encoded_prompt(self) -> TextStates:
        options = self.settings.model
        with self.precision.autocast():
            return self.model.encode_text(
                list(self.settings.concept.original_prompt or ("",)),
                options.clip_skip,
                max_token_length=options.max_token_length,
                weighted=options.weighted_captions,
            )


def where_they_differ(original: ImageKey, target: ImageKey) -> Tensor:
    """1 for latent cells in which any pixel differs visibly, else 0: 1 x H x W."""
    pixels = (load_pixels(key.path, key.framing, key.interpolation) for key in (original, target))
    first, second = pixels
    differs = ((first - second).abs().sum(dim=0, keepdim=True) > SEEN_DIFFERENCE).float()
    return F.max_pool2d(differs, CELL)
