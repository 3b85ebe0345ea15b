"""How many batches, steps and epochs a run has: the arithmetic that the app's plan and the engine share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

from sd_contract.datasets import CollectedDataset
from sd_contract.modes import second_pass
from sd_contract.options.groups import DIFFERENCE
from sd_contract.options.settings import Settings


@dataclass(frozen=True, kw_only=True)
class StepPlan:
    """A step is one move of the optimizer; several batches share one when gradients are accumulated. An
    epoch's last step may have fewer batches. The last epoch may be cut short by `total_steps`."""

    batches_per_epoch: int
    steps_per_epoch: int
    total_steps: int
    epochs: int
    first_pass: int = 0
    """Steps at the beginning that train another LoRA, which the run's own builds on."""


def plan_steps(settings: Settings, datasets: Iterable[CollectedDataset]) -> StepPlan:
    """The plan for these datasets. `max_train_epochs` overrides `max_train_steps`."""
    return plan_batches(settings, sum(collected.batches for collected in datasets))


def plan_batches(settings: Settings, batches_per_epoch: int) -> StepPlan:
    per_epoch = ceil(batches_per_epoch / settings.training.gradient_accumulation_steps)
    epochs = settings.training.max_train_epochs
    total = epochs * per_epoch if epochs else settings.training.max_train_steps
    return StepPlan(
        batches_per_epoch=batches_per_epoch,
        steps_per_epoch=per_epoch,
        total_steps=total,
        epochs=ceil(total / per_epoch),
    )


def plan_iterations(settings: Settings) -> StepPlan:
    """The plan in the modes without epochs: one of `max_train_steps`; in mode difference that is the first pass,
    and the second comes on top."""
    second = second_pass(settings) if settings.mode == DIFFERENCE else settings
    first, total = 0, second.training.max_train_steps
    if settings.mode == DIFFERENCE and not settings.difference.diff_load_1st_pass:
        first = settings.training.max_train_steps
        total = first if settings.difference.diff_1st_pass_only else first + total
    batches = total * settings.training.gradient_accumulation_steps
    return StepPlan(
        batches_per_epoch=batches, steps_per_epoch=total, total_steps=total, epochs=1, first_pass=first
    )


def warmup_steps(settings: Settings, total_steps: int) -> int:
    """Steps of rising learning rate."""
    return _steps(settings.optimizer.lr_warmup_steps, total_steps)


def decay_steps(settings: Settings, total_steps: int) -> int:
    """Steps of falling learning rate at the end, for the schedules that ask."""
    return _steps(settings.optimizer.lr_decay_steps, total_steps)


def _steps(steps: int | float, total_steps: int) -> int:
    """A whole number is steps, a number with a point a share of all steps."""
    return int(steps * total_steps) if isinstance(steps, float) else steps
