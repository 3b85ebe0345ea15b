"""The loss on images that are not trained on, with the same noise each time, so that a run's values can be
compared with each other and with another run's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lora_engine.data.batches import Batch, Sample, Step
from lora_engine.job import Job
from lora_engine.output.progress import Progress
from lora_engine.recipes.learner import Learner
from sd_contract.datasets import CollectedDataset
from sd_contract.events import Validated

TIMESTEPS = 4
"""Between the smallest and the largest, as in sd-scripts: 200, 400, 600 and 800."""


@dataclass(frozen=True)
class Measurements:
    """What is measured: batches in a fixed order, each at these timesteps."""

    batches: tuple[Batch, ...]
    timesteps: tuple[int, ...]


def validating(job: Job, learner: Learner, progress: Progress) -> Callable[[Step], None]:
    """Measures after each step at which it is due."""
    return Validation(job, learner, progress).after


class Validation:
    """Measures the loss when it is due. Nothing that the training draws is touched."""

    def __init__(self, job: Job, learner: Learner, progress: Progress) -> None:
        self._options = job.settings.validation
        self._learner = learner
        self._progress = progress
        self._last_step = job.plan.total_steps
        batches = tuple(fixed_batches(job.validation))[: self._options.max_validation_steps]
        self._wanted = Measurements(batches, fixed_timesteps(*job.settings.noise.timesteps))

    def after(self, step: Step) -> None:
        """Measures what is due after a step; an epoch that is cut short is measured at its end."""
        by_step = self._options.validate_every_n_steps
        every = self._options.validate_every_n_epochs or 1
        ends_epoch = step.ends_epoch or step.number == self._last_step
        wanted = [
            *([False] if by_step and step.number % by_step == 0 else []),
            *([True] if ends_epoch and step.epoch % every == 0 else []),
        ]
        if not self._wanted.batches or not wanted:
            return
        loss = self.loss()
        for ended in wanted:
            self._progress.validated(Validated(step.number, step.epoch, loss, ended))

    @torch.no_grad()
    def loss(self) -> float:
        """The mean over all images and timesteps, of the LoRA as it would be saved."""
        with self._learner.as_saved():
            losses = [self._losses(batch, t) for batch in self._wanted.batches for t in self._wanted.timesteps]
        return torch.cat(losses).double().mean().item()

    def _losses(self, batch: Batch, t: int) -> Tensor:
        times = torch.full((len(batch.samples),), t)
        return self._learner.denoising.plain_losses(batch, self._learner.validation_draws, times)


def fixed_batches(datasets: Sequence[CollectedDataset]) -> Iterator[Batch]:
    """Each image once, in the order of the files; a bucket's last batch may be short."""
    number = 0
    for collected in datasets:
        for bucket in collected.buckets:
            held = [item for item in collected.items if item.placement.bucket == bucket]
            for start in range(0, len(held), collected.dataset.batch_size):
                items = held[start : start + collected.dataset.batch_size]
                samples = tuple(Sample(item, number + place) for place, item in enumerate(items))
                number += len(items)
                yield Batch(collected.dataset, bucket, samples, epoch=1)


def fixed_timesteps(first: int, end: int) -> tuple[int, ...]:
    """So many in equal distances inside the range that is trained."""
    return tuple(int(first + (end - first) * place / (TIMESTEPS + 1)) for place in range(1, TIMESTEPS + 1))
