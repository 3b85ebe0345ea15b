"""The course of the learning rate, as pure functions of the step: nothing to save, nothing to restore.

They are the schedules of the same names in transformers, step counted from 0."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sd_contract.options import Settings
from sd_contract.steps import decay_steps, warmup_steps

POLYNOMIAL_END = 1e-7
PLATEAU = "warmup_stable_decay"
UNSET_TIMESCALE = 10_000


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A course of the learning rate over a run. `cycles`, `power`, `least`, `timescale`, `decay` serve the courses
    that know them; `rate` is the full learning rate."""

    name: str
    total: int
    warmup: int = 0
    decay: int = 0
    cycles: int = 1
    power: float = 1.0
    least: float = 0.0
    timescale: int | None = None
    rate: float = 1.0

    def factor(self, step: int) -> float:
        """What the learning rate is multiplied with at a step; rises from 0 during the warm-up."""
        if self.name != "constant" and step < self.warmup:
            rising = step / self.warmup
            return _raised(rising, self.least) if self.name == PLATEAU else rising
        return COURSES[self.name](self, step)

    def done(self, step: int) -> float:
        """The share of the steps after the warm-up that lie behind."""
        return min(1.0, (step - self.warmup) / max(1, self.total - self.warmup))


def schedule_of(settings: Settings, total_steps: int) -> Schedule:
    """The schedule that the options describe for a run of so many steps. "constant" with a warm-up is
    "constant_with_warmup"."""
    options = settings.optimizer
    return Schedule(
        name=effective_scheduler(settings),
        total=total_steps,
        warmup=warmup_steps(settings, total_steps),
        decay=decay_steps(settings, total_steps),
        cycles=options.lr_scheduler_num_cycles,
        power=options.lr_scheduler_power,
        least=options.lr_scheduler_min_lr_ratio or 0.0,
        timescale=options.lr_scheduler_timescale,
        rate=options.learning_rate,
    )


def effective_scheduler(settings: Settings) -> str:
    name = settings.optimizer.lr_scheduler
    return "constant_with_warmup" if name == "constant" and settings.optimizer.lr_warmup_steps else name


def _waves(done: float, waves: float) -> float:
    return 0.5 * (1.0 + math.cos(math.pi * waves * done))


def _cosine_with_restarts(schedule: Schedule, step: int) -> float:
    done = schedule.done(step)
    return 0.0 if done >= 1.0 else _waves((schedule.cycles * done) % 1.0, 1)


def _cosine_with_min_lr(schedule: Schedule, step: int) -> float:
    return _raised(_waves(schedule.done(step), schedule.cycles), schedule.least)


def _polynomial(schedule: Schedule, step: int) -> float:
    end = POLYNOMIAL_END / schedule.rate if schedule.rate > POLYNOMIAL_END else 1.0
    left: float = (1.0 - schedule.done(step)) ** schedule.power
    return (1.0 - end) * left + end


def _inverse_sqrt(schedule: Schedule, step: int) -> float:
    timescale = schedule.timescale or schedule.warmup or UNSET_TIMESCALE
    return 1.0 / math.sqrt((step + timescale - schedule.warmup) / timescale)


def _warmup_stable_decay(schedule: Schedule, step: int) -> float:
    falling_from = schedule.total - schedule.decay
    if step < falling_from:
        return 1.0
    if step >= schedule.total:
        return schedule.least
    return _raised(_waves((step - falling_from) / max(1, schedule.decay), schedule.cycles), schedule.least)


def _raised(factor: float, least: float) -> float:
    return factor * (1.0 - least) + least


COURSES: Mapping[str, Callable[[Schedule, int], float]] = {
    "constant": lambda schedule, step: 1.0,
    "constant_with_warmup": lambda schedule, step: 1.0,
    "linear": lambda schedule, step: 1.0 - schedule.done(step),
    "cosine": lambda schedule, step: _waves(schedule.done(step), 1),
    "cosine_with_restarts": _cosine_with_restarts,
    "cosine_with_min_lr": _cosine_with_min_lr,
    "polynomial": _polynomial,
    "inverse_sqrt": _inverse_sqrt,
    PLATEAU: _warmup_stable_decay,
}
