"""The order of a run: which images make up which batch of which step of which epoch.

Which dataset and bucket a batch is taken from depends on the datasets and the epoch alone, so that runs with
other seeds that are trained together see the same sizes at the same step; which images it holds depends on the
run's seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from lora_engine.maths.streams import Streams
from sd_contract.datasets import CollectedDataset, Dataset, DatasetItem
from sd_contract.images.image_sizes import Size
from sd_contract.steps import StepPlan

SHARED_ORDER = Streams(0)


@dataclass(frozen=True)
class Sample:
    """One draw of an image. `number` counts all draws of the run from 0 and is its place in the random
    streams; it is the image's `repeat`th draw of the epoch."""

    item: DatasetItem
    number: int
    epoch: int = 1
    repeat: int = 0


@dataclass(frozen=True)
class Batch:
    """Samples of one bucket of one dataset that go through the model together. `epoch` and `step` count from 1."""

    dataset: Dataset
    bucket: Size
    samples: tuple[Sample, ...]
    epoch: int
    step: int = 1


@dataclass(frozen=True)
class Step:
    """One move of the optimizer: its number and epoch, both counted from 1, and the batches it learns
    from."""

    number: int
    epoch: int
    batches: tuple[Batch, ...]
    ends_epoch: bool


def run_steps(
    datasets: Sequence[CollectedDataset], plan: StepPlan, streams: Streams, accumulation: int
) -> Iterator[Step]:
    """All steps of a run. An epoch's last step may have fewer batches; the last epoch may be cut short."""
    number = 0
    for epoch in range(1, plan.epochs + 1):
        batches = epoch_batches(datasets, streams, epoch)
        for start in range(0, len(batches), accumulation):
            if number == plan.total_steps:
                return
            number += 1
            ends_epoch = start + accumulation >= len(batches)
            shared = (replace(batch, step=number) for batch in batches[start : start + accumulation])
            yield Step(number, epoch, tuple(shared), ends_epoch)


def epoch_batches(datasets: Sequence[CollectedDataset], streams: Streams, epoch: int) -> list[Batch]:
    """The batches of one epoch: each dataset's images with their repeats, shuffled, sorted into buckets, then
    batches in mixed order.

    A sample's number tells its draw of its dataset's images, so another batch size leaves its noise the same."""
    number = (epoch - 1) * sum(collected.samples for collected in datasets)
    batches: list[Batch] = []
    for place, collected in enumerate(datasets):
        pile = _shuffled(collected, place, streams, epoch)
        samples = [Sample(item, number + i, epoch, repeat) for i, (item, repeat) in enumerate(pile)]
        batches += _batched(collected, samples, epoch)
        number += len(samples)
    SHARED_ORDER.random("batches", epoch).shuffle(batches)
    return batches


def _batched(collected: CollectedDataset, samples: Sequence[Sample], epoch: int) -> Iterator[Batch]:
    size = collected.dataset.batch_size
    for bucket in collected.buckets:
        held = [sample for sample in samples if sample.item.placement.bucket == bucket]
        for start in range(0, len(held), size):
            yield Batch(collected.dataset, bucket, tuple(held[start : start + size]), epoch)


def _shuffled(
    collected: CollectedDataset, place: int, streams: Streams, epoch: int
) -> list[tuple[DatasetItem, int]]:
    pile = [(item, repeat) for item in collected.items for repeat in range(item.repeats)]
    streams.random("order", place, epoch).shuffle(pile)
    return pile
