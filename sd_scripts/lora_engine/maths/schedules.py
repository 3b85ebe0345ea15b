"""The course of the learning rate, as pure functions of the step: nothing to save, nothing to restore.

They are the schedules of the same names in transformers, step counted from 0."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping


def learning_rate_factor(name: str, step: int, total_steps: int, warmup_steps: int) -> float:
    """What the learning rate is multiplied with at a step; rises from 0 during the warm-up."""
    if name != "constant" and step < warmup_steps:
        return step / warmup_steps
    done = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return COURSES[name](min(done, 1.0))


COURSES: Mapping[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "constant_with_warmup": lambda done: 1.0,
    "linear": lambda done: 1.0 - done,
    "cosine": lambda done: 0.5 * (1.0 + math.cos(math.pi * done)),
}
