"""Optimizers by the names that sd-scripts gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch.nn import Parameter
from torch.optim import AdamW, Optimizer


@dataclass(frozen=True, kw_only=True)
class ParameterGroup:
    """Weights that share a learning rate."""

    name: str
    parameters: Sequence[Parameter]
    learning_rate: float


# Fused: one pass over all weights, which on a CPU takes a fifth of the time of a loop over them.
CLASSES: Mapping[str, Callable[..., Optimizer]] = {"AdamW": partial(AdamW, fused=True)}


def make_optimizer(
    name: str, groups: Iterable[ParameterGroup], arguments: Mapping[str, Any]
) -> torch.optim.Optimizer:
    """The optimizer of that name; each of its groups remembers its full rate as `initial_lr`."""
    table = [
        {"params": list(group.parameters), "lr": group.learning_rate, "initial_lr": group.learning_rate}
        for group in groups
    ]
    return CLASSES[name](table, **arguments)


def set_learning_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Gives every group its full rate times `factor`."""
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * factor


def load_optimizer(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Takes up the state of an equal optimizer, to the bit; the full learning rates stay those of this one."""
    rates = [group["initial_lr"] for group in optimizer.param_groups]
    optimizer.load_state_dict(dict(state))
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["initial_lr"] = rate
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for place, saved in state["state"].items():
        own = optimizer.state[parameters[place]]
        for name, value in saved.items():
            if isinstance(value, torch.Tensor) and own[name].dtype != value.dtype:
                own[name] = value.to(own[name].device)
