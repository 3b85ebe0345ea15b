"""The courses of the learning rate that may be named, and what may stand in `lr_scheduler_args` for each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sd_contract.errors import OptionError
from sd_contract.options.arguments import (
    ANY_NUMBER,
    COUNT,
    FACTOR,
    NUMBER,
    SHARE,
    TRUTH,
    Arguments,
    Kind,
    argument,
    one_of,
)
from sd_contract.options.groups import OptimizerOptions

_STEP_RULES = re.compile(r"(\s*[\d.eE+-]+\s*:\s*\d+\s*,)*\s*[\d.eE+-]+\s*")


def _are_whole(value: object) -> bool:
    return isinstance(value, (tuple, list)) and bool(value) and all(type(item) is int for item in value)


STEP_RULES: Kind = (
    "factors with the steps they hold until, and the last one's, as 1:100,0.1:200,0.01",
    lambda value: isinstance(value, str) and _STEP_RULES.fullmatch(value) is not None,
)
PLACES: Kind = ("steps, as 100,200", lambda value: type(value) is int or _are_whole(value))
CURVE: Kind = one_of("linear", "cosine", "1-sqrt")
ARGUMENTS: Mapping[str, Arguments] = {
    "constant": {},
    "constant_with_warmup": {},
    "linear": {},
    "cosine": {"num_cycles": FACTOR},
    "cosine_with_restarts": {},
    "cosine_with_min_lr": {"min_lr": NUMBER},
    "polynomial": {"lr_end": NUMBER},
    "inverse_sqrt": {},
    "warmup_stable_decay": {"warmup_type": CURVE, "decay_type": CURVE},
    "piecewise_constant": {"step_rules": STEP_RULES},
    "rex": {"d": SHARE},
    "adafactor": {},
    # Classes of torch.optim.lr_scheduler.
    "StepLR": {"step_size": COUNT, "gamma": FACTOR},
    "MultiStepLR": {"milestones": PLACES, "gamma": FACTOR},
    "ConstantLR": {"factor": SHARE, "total_iters": COUNT},
    "LinearLR": {"start_factor": SHARE, "end_factor": SHARE, "total_iters": COUNT},
    "ExponentialLR": {"gamma": FACTOR},
    "PolynomialLR": {"total_iters": COUNT, "power": FACTOR},
    "CosineAnnealingLR": {"T_max": COUNT, "eta_min": NUMBER},
    "CosineAnnealingWarmRestarts": {"T_0": COUNT, "T_mult": COUNT, "eta_min": NUMBER},
    "CyclicLR": {
        "base_lr": NUMBER,
        "max_lr": NUMBER,
        "step_size_up": COUNT,
        "step_size_down": COUNT,
        "mode": one_of("triangular", "triangular2", "exp_range"),
        "gamma": FACTOR,
    },
    "OneCycleLR": {
        "max_lr": FACTOR,
        "total_steps": COUNT,
        "pct_start": SHARE,
        "anneal_strategy": one_of("cos", "linear"),
        "three_phase": TRUTH,
        "div_factor": FACTOR,
        "final_div_factor": ANY_NUMBER,
    },
}
NEEDED: Mapping[str, tuple[str, ...]] = {
    "piecewise_constant": ("step_rules",),
    "StepLR": ("step_size",),
    "MultiStepLR": ("milestones",),
    "ExponentialLR": ("gamma",),
    "CosineAnnealingWarmRestarts": ("T_0",),
    "CyclicLR": ("base_lr", "max_lr"),
    "OneCycleLR": ("max_lr",),
}
"""What has no default. How long the others last is the run's length unless told."""


def scheduler_arguments(options: OptimizerOptions) -> dict[str, Any]:
    """The values of `lr_scheduler_args` by name. OptionError for what the course does not take or lacks; of a
    class that is not known nothing can be said."""
    name = options.lr_scheduler_type or options.lr_scheduler
    allowed = ARGUMENTS.get(name)
    given = dict(argument("lr_scheduler_args", name, allowed, _joined(text)) for text in options.lr_scheduler_args)
    for wanted in NEEDED.get(name, ()):
        if wanted not in given:
            raise OptionError(
                f'{name} needs {wanted} in lr_scheduler_args, as "{wanted}=...": it wants '
                f"{ARGUMENTS[name][wanted][0]}."
            )
    return given


def _joined(text: str) -> str:
    """Step rules are a text; a lone factor would be read as a number."""
    name, equals, rules = text.partition("=")
    if name.strip() != "step_rules":
        return text
    return f"{name}{equals}{rules.strip().strip(chr(39) + chr(34))!r}"


def step_rules(rules: str) -> tuple[tuple[tuple[int, float], ...], float]:
    """(step it holds until, factor) of each rule in order of steps, and the factor after the last."""
    *parts, last = rules.split(",")
    pairs = (part.split(":") for part in parts)
    return tuple(sorted((int(until), float(factor)) for factor, until in pairs)), float(last)
