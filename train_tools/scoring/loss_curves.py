"""Loss curves of runs over the images they have seen: a step of batch 4 counts four times one of batch 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import mean
from typing import Any

from sd_contract.attempt import Attempt
from sd_contract.events import AttemptStarted, StepDone, Tail, Validated
from train_tools.jobs.kind import attempts_in

MOST_POINTS = 200


def images_of_a_step(options: Mapping[str, Any]) -> int:
    """How many images an optimizer step sees: batch size times accumulated batches."""
    return int(options.get("train_batch_size") or 1) * int(options.get("gradient_accumulation_steps") or 1)


@dataclass(frozen=True)
class Losses:
    """The losses of a run's steps, and those on images that were not trained on, each by step."""

    steps: Mapping[int, float]
    validation: Mapping[int, float]


def losses_of(run: Path) -> Mapping[int, float]:
    """The loss of each step of a run's folder. What a later attempt trained anew replaces what was told before."""
    return _told_by(run).steps


def validation_losses(run: Path) -> Mapping[int, float]:
    """The same on images that were not trained on, at the steps where that was measured."""
    return _told_by(run).validation


def _told_by(run: Path) -> Losses:
    files = [Attempt(attempt.folder).events for attempt in attempts_in(run)]
    return _losses_in(tuple((file, *_edition(file)) for file in files))


def _edition(file: Path) -> tuple[int, int]:
    try:
        facts = file.stat()
    except OSError:
        return 0, 0
    return facts.st_mtime_ns, facts.st_size


@lru_cache(maxsize=512)
def _losses_in(events: tuple[tuple[Path, int, int], ...]) -> Losses:
    """Of files as they were at a time and a size: those of runs that have ended are read once."""
    steps: dict[int, float] = {}
    validation: dict[int, float] = {}
    for file, *_ in events:
        for event in Tail(file).events():
            match event:
                case AttemptStarted(done):
                    steps = {step: loss for step, loss in steps.items() if step <= done}
                    validation = {step: loss for step, loss in validation.items() if step <= done}
                case StepDone() if event.loss is not None:
                    steps[event.step] = event.loss
                case Validated():
                    validation[event.step] = event.loss
    return Losses(steps, validation)


def validation_curve(run: Path, options: Mapping[str, Any]) -> tuple[tuple[float, float], ...]:
    """(images seen, loss on those that were not trained on) of a run's folder, oldest first."""
    images = images_of_a_step(options)
    return tuple((float(step * images), loss) for step, loss in sorted(validation_losses(run).items()))


def loss_curve(
    run: Path, options: Mapping[str, Any], most_points: int = MOST_POINTS
) -> tuple[tuple[float, float], ...]:
    """(images seen, mean loss since the point before) of a run's folder, oldest first."""
    losses = losses_of(run)
    steps, images = sorted(losses), images_of_a_step(options)
    stretch = max(1, -(-len(steps) // most_points))
    stretches = (steps[start : start + stretch] for start in range(0, len(steps), stretch))
    return tuple((float(some[-1] * images), mean(losses[step] for step in some)) for some in stretches)
