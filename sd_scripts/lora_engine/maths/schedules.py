"""The course of the learning rate, as pure functions of the step: nothing to save, nothing to restore.

Those with plain names are the schedules of the same names in transformers and, piecewise_constant, in diffusers,
step counted from 0; rex is by Chen et al., arXiv 2107.04197. Classes of torch are played from the beginning."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol

from sd_contract.errors import OptionError
from sd_contract.options import Settings, optimizer_arguments, scheduler_arguments
from sd_contract.options.optimizers import SCHEDULE_FREE
from sd_contract.options.schedules import step_rules
from sd_contract.steps import decay_steps, warmup_steps

POLYNOMIAL_END = 1e-7
PLATEAU = "warmup_stable_decay"
UNSET_TIMESCALE = 10_000
LENGTHS = {"CosineAnnealingLR": "T_max", "OneCycleLR": "total_steps", "LinearLR": "total_iters"}
LENGTHS |= {"PolynomialLR": "total_iters", "ConstantLR": "total_iters"}
"""What classes of torch call the steps that they are meant for: the run's unless told."""


class Course(Protocol):
    """Where the learning rates of groups of weights go from their full values."""

    def rates(self, full: Sequence[float], step: int) -> list[float]:
        """Of all groups at a step counted from 0."""
        ...


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A course of the learning rate over a run. `cycles`, `power`, `least`, `timescale`, `decay` and `arguments`
    serve the courses that know them; `rate` is the full learning rate."""

    name: str
    total: int
    warmup: int = 0
    decay: int = 0
    cycles: int = 1
    power: float = 1.0
    least: float = 0.0
    timescale: int | None = None
    rate: float = 1.0
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def rates(self, full: Sequence[float], step: int) -> list[float]:
        factor = self.factor(step)
        return [rate * factor for rate in full]

    def factor(self, step: int) -> float:
        """What the learning rate is multiplied with at a step; rises from 0 during the warm-up."""
        if self.name not in ("constant", "piecewise_constant") and step < self.warmup:
            return _rising(self, step / self.warmup)
        return COURSES[self.name](self, step)

    def done(self, step: int) -> float:
        """The share of the steps after the warm-up that lie behind."""
        return min(1.0, (step - self.warmup) / max(1, self.total - self.warmup))


class PlayedCourse:
    """The course of a class that moves the rates of an optimizer: it moves those of one that has nothing else,
    from the first step to the one that is asked for. Only rates are followed, no momentum that it may move too."""

    def __init__(self, make: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
        self._make = make
        self._arguments = arguments
        self._played: list[list[float]] = []
        self._scheduler: Any = None

    def rates(self, full: Sequence[float], step: int) -> list[float]:
        from torch.nn import Parameter
        from torch.optim import SGD

        if self._scheduler is None:
            groups = [{"params": [Parameter()], "lr": rate} for rate in full]
            self._scheduler = self._made(SGD(groups, lr=1.0, momentum=0.9))
        while len(self._played) <= step:
            optimizer = self._scheduler.optimizer
            self._played.append([float(group["lr"]) for group in optimizer.param_groups])
            optimizer.step()
            self._scheduler.step()
        return self._played[step]

    def _made(self, optimizer: Any) -> Any:
        try:
            return self._make(optimizer, **self._arguments)
        except (TypeError, ValueError) as error:
            raise OptionError(f"lr_scheduler_type can't be made with lr_scheduler_args: {error}.") from error


def course_of(settings: Settings, total_steps: int) -> Course:
    """What the options describe for a run of so many steps. OptionError when its class can't be loaded."""
    name = settings.optimizer.lr_scheduler_type
    if not name or follows_itself(settings):
        return schedule_of(settings, total_steps)
    arguments = scheduler_arguments(settings.optimizer)
    if name in LENGTHS:
        arguments = {LENGTHS[name]: total_steps, **arguments}
    module, _, own = name.rpartition(".")
    try:
        found = getattr(import_module(module or "torch.optim.lr_scheduler"), own)
    except (ImportError, AttributeError) as error:
        raise OptionError(f"lr_scheduler_type = {name} can't be loaded ({error}). Install its package.") from error
    return PlayedCourse(found, arguments)


def schedule_of(settings: Settings, total_steps: int) -> Schedule:
    """The schedule that the options describe for a run of so many steps."""
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
        arguments=scheduler_arguments(options),
    )


def effective_scheduler(settings: Settings) -> str:
    """The course that is taken: "constant" with a warm-up is "constant_with_warmup", and so is every other where
    the optimizer needs none."""
    name = settings.optimizer.lr_scheduler
    if follows_itself(settings) or name in ("constant", "adafactor"):
        return "constant_with_warmup" if settings.optimizer.lr_warmup_steps else "constant"
    return name


def follows_itself(settings: Settings) -> bool:
    """Whether the optimizer is one without a course of the rate."""
    if settings.optimizer.optimizer not in SCHEDULE_FREE:
        return False
    return optimizer_arguments(settings.optimizer).get("use_schedulefree", True) is not False


def _rising(schedule: Schedule, done: float) -> float:
    """The warm-up, of which so much is done."""
    if schedule.name != PLATEAU:
        return done
    curve = schedule.arguments.get("warmup_type", "linear")
    return _raised(CURVES[curve](1.0 - done, 1), schedule.least)


def _waves(done: float, waves: float) -> float:
    return 0.5 * (1.0 + math.cos(math.pi * waves * done))


def _cosine(schedule: Schedule, step: int) -> float:
    """transformers counts whole waves, and its plain cosine is half of one."""
    return max(0.0, _waves(schedule.done(step), 2 * schedule.arguments.get("num_cycles", 0.5)))


def _cosine_with_restarts(schedule: Schedule, step: int) -> float:
    done = schedule.done(step)
    return 0.0 if done >= 1.0 else _waves((schedule.cycles * done) % 1.0, 1)


def _cosine_with_min_lr(schedule: Schedule, step: int) -> float:
    least = schedule.arguments["min_lr"] / schedule.rate if "min_lr" in schedule.arguments else schedule.least
    return _raised(_waves(schedule.done(step), schedule.cycles), least)


def _polynomial(schedule: Schedule, step: int) -> float:
    least = schedule.arguments.get("lr_end", POLYNOMIAL_END)
    end = least / schedule.rate if schedule.rate > least else 1.0
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
    curve = CURVES[schedule.arguments.get("decay_type", "cosine")]
    return _raised(curve((step - falling_from) / max(1, schedule.decay), schedule.cycles), schedule.least)


def _piecewise_constant(schedule: Schedule, step: int) -> float:
    rules, last = step_rules(schedule.arguments["step_rules"])
    return next((factor for until, factor in rules if step < until), last)


def _rex(schedule: Schedule, step: int) -> float:
    """Reflected exponential: (1 - z) / (1 - d + d (1 - z)), z the share that is done; the paper's d is 1/2."""
    left, d = 1.0 - schedule.done(step), schedule.arguments.get("d", 0.5)
    return _raised(left / (1.0 - d + d * left) if left else 0.0, schedule.least)


def _raised(factor: float, least: float) -> float:
    return factor * (1.0 - least) + least


CURVES: Mapping[str, Callable[[float, float], float]] = {
    "cosine": _waves,
    "linear": lambda done, waves: 1.0 - done,
    "1-sqrt": lambda done, waves: 1.0 - math.sqrt(done),
}
"""From 1 to 0, by the share that is done and the waves of the cosine."""
COURSES: Mapping[str, Callable[[Schedule, int], float]] = {
    "constant": lambda schedule, step: 1.0,
    "constant_with_warmup": lambda schedule, step: 1.0,
    "linear": lambda schedule, step: 1.0 - schedule.done(step),
    "cosine": _cosine,
    "cosine_with_restarts": _cosine_with_restarts,
    "cosine_with_min_lr": _cosine_with_min_lr,
    "polynomial": _polynomial,
    "inverse_sqrt": _inverse_sqrt,
    PLATEAU: _warmup_stable_decay,
    "piecewise_constant": _piecewise_constant,
    "rex": _rex,
}
