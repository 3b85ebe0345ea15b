"""Loss curves of runs over the images they have seen: a step of batch 4 counts four times one of batch 1."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from statistics import mean
from typing import Any

from sd_contract.attempt import Attempt
from sd_contract.events import AttemptStarted, StepDone, Tail
from train_tools.jobs.kind import attempts_in

MOST_POINTS = 200


def images_of_a_step(options: Mapping[str, Any]) -> int:
    """How many images an optimizer step sees: batch size times accumulated batches."""
    return int(options.get("train_batch_size") or 1) * int(options.get("gradient_accumulation_steps") or 1)


def losses_of(run: Path) -> Mapping[int, float]:
    """The loss of each step of a run's folder. What a later attempt trained anew replaces what was told before."""
    files = [Attempt(attempt.folder).events for attempt in attempts_in(run)]
    return _losses_in(tuple((file, *_edition(file)) for file in files))


def _edition(file: Path) -> tuple[int, int]:
    try:
        facts = file.stat()
    except OSError:
        return 0, 0
    return facts.st_mtime_ns, facts.st_size


@lru_cache(maxsize=512)
def _losses_in(events: tuple[tuple[Path, int, int], ...]) -> Mapping[int, float]:
    """Of files as they were at a time and a size: those of runs that have ended are read once."""
    losses: dict[int, float] = {}
    for file, *_ in events:
        for event in Tail(file).events():
            if isinstance(event, AttemptStarted):
                losses = {step: loss for step, loss in losses.items() if step <= event.from_step}
            elif isinstance(event, StepDone) and event.loss is not None:
                losses[event.step] = event.loss
    return losses


def loss_curve(
    run: Path, options: Mapping[str, Any], most_points: int = MOST_POINTS
) -> tuple[tuple[float, float], ...]:
    """(images seen, mean loss since the point before) of a run's folder, oldest first."""
    losses = losses_of(run)
    steps, images = sorted(losses), images_of_a_step(options)
    stretch = max(1, -(-len(steps) // most_points))
    stretches = (steps[start : start + stretch] for start in range(0, len(steps), stretch))
    return tuple((float(some[-1] * images), mean(losses[step] for step in some)) for some in stretches)
