"""Loss curves of runs over the images they have seen: a step of batch 4 counts four times one of batch 1."""

from __future__ import annotations

from collections.abc import Mapping
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


def validation_losses(run: Path) -> dict[int, float]:
    """The losses on images that were not trained on, by step, of a run's folder. What a later attempt trained anew
    replaces what was told before."""
    losses: dict[int, float] = {}
    for attempt in attempts_in(run):
        for event in Tail(Attempt(attempt.folder).events).events():
            if isinstance(event, AttemptStarted):
                losses = {step: loss for step, loss in losses.items() if step <= event.from_step}
            elif isinstance(event, Validated):
                losses[event.step] = event.loss
    return losses


def loss_curve(
    run: Path, options: Mapping[str, Any], most_points: int = MOST_POINTS
) -> tuple[tuple[float, float], ...]:
    """(images seen, mean loss since the point before) of a run's folder, oldest first. What a later attempt
    trained anew replaces what was told before."""
    losses: dict[int, float] = {}
    for attempt in attempts_in(run):
        for event in Tail(Attempt(attempt.folder).events).events():
            if isinstance(event, AttemptStarted):
                losses = {step: loss for step, loss in losses.items() if step <= event.from_step}
            elif isinstance(event, StepDone) and event.loss is not None:
                losses[event.step] = event.loss
    steps, images = sorted(losses), images_of_a_step(options)
    stretch = max(1, -(-len(steps) // most_points))
    stretches = (steps[start : start + stretch] for start in range(0, len(steps), stretch))
    return tuple((float(some[-1] * images), mean(losses[step] for step in some)) for some in stretches)
