"""Optimizers at work: made as `sd_contract.options.known_optimizers` says, given their rates, taken up from
states."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer

from lora_engine.maths.schedules import Course
from sd_contract.errors import OptionError
from sd_contract.options.known_optimizers import KNOWN, KnownOptimizer
from sd_contract.tensors.tensor_names import Part


@dataclass(frozen=True, kw_only=True)
class ParameterGroup:
    """Weights that share a learning rate."""

    part: Part
    parameters: Sequence[Parameter]
    learning_rate: float
    names: tuple[str, ...] = ()
    """What kohya's groups that are in it are called: "unet", "unet_block3 plus"."""


def make_optimizer(name: str, groups: Iterable[ParameterGroup], arguments: Mapping[str, Any]) -> Optimizer:
    """The optimizer of that name; each of its groups remembers its full rate as `initial_lr`. OptionError when it
    does not take the arguments, which only a class of the user's own may refuse."""
    known = KNOWN.get(name, KnownOptimizer(home=name, arguments={}, state_bytes=0))
    wanted = {**known.defaults, **{known.renamed.get(own, own): value for own, value in arguments.items()}}
    if name == "AdaFactor":
        wanted = _adafactor_arguments(wanted)
    steps_itself = bool(wanted.get("relative_step"))
    table = [
        {
            **known.for_groups,
            "params": list(group.parameters),
            "lr": None if steps_itself else group.learning_rate,
            "initial_lr": group.learning_rate,
        }
        for group in groups
    ]
    if known.for_groups.get("use_muon") and any(one.ndim < 2 for group in table for one in group["params"]):
        raise OptionError(f"{name} moves matrices, and this network has weights that are none. Use AdamW.")
    try:
        made: Optimizer = load_class(name)(table, **wanted)
    except (TypeError, ValueError) as error:
        raise OptionError(f"optimizer_type = {name} can't be made with optimizer_args: {error}.") from error
    set_training(made, training=True)
    return made


def load_class(name: str) -> Callable[..., Any]:
    """The class of a known name, or of a dotted one. OptionError when its package is not installed."""
    module, _, own = (KNOWN[name].home if name in KNOWN else name).rpartition(".")
    try:
        found: Callable[..., Any] = getattr(import_module(module), own)
    except (ImportError, AttributeError) as error:
        package = module.partition(".")[0]
        raise OptionError(
            f"{name} needs the package {package}, which can't be loaded ({error}). "
            'Install it, or use optimizer_type = "AdamW".'
        ) from error
    return found


def refuse_missing_device(name: str, device: torch.device) -> None:
    """OptionError when an optimizer needs a GPU that is not there, or a package that is not."""
    if name in KNOWN and KNOWN[name].needs_cuda and device.type != "cuda":
        raise OptionError(f'optimizer_type = "{name}" needs an NVIDIA GPU, and none was found. Use "AdamW".')
    load_class(name)


def optimizer_name(name: str, arguments: Mapping[str, Any]) -> str:
    """What the metadata of a LoRA file calls the optimizer: its class and the arguments that were given."""
    home = "torch.optim.adamw.AdamW" if name == "AdamW" else KNOWN[name].home if name in KNOWN else name
    told = ",".join(f"{key}={value}" for key, value in arguments.items())
    return home + (f"({told})" if told else "")


def set_training(optimizer: Optimizer, *, training: bool) -> bool:
    """Moves the weights to where they are trained or, of schedule-free ones, to their average. Whether there are
    two such places."""
    move = getattr(optimizer, "train" if training else "eval", None)
    if callable(move):
        move()
    return callable(move)


def set_learning_rates(optimizer: Optimizer, course: Course, step: int) -> None:
    """Gives every group its rate at a step counted from 0; an optimizer that chooses its own keeps choosing."""
    rates = course.rates([group["initial_lr"] for group in optimizer.param_groups], step)
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        if not group.get("relative_step"):
            group["lr"] = rate


def load_optimizer(optimizer: Optimizer, state: Mapping[str, Any]) -> None:
    """Takes up the state of an equal optimizer, to the bit; the full learning rates stay those of this one."""
    rates = [group["initial_lr"] for group in optimizer.param_groups]
    optimizer.load_state_dict(dict(state))
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["initial_lr"] = rate
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for place, saved in state["state"].items():
        own = optimizer.state[parameters[place]]
        for name, value in saved.items():
            if isinstance(value, Tensor) and own[name].dtype != value.dtype:
                own[name] = value.to(own[name].device)


@dataclass(frozen=True)
class UsedRate:
    """The learning rate of a group in a step; `scaled` is what the optimizer's own estimate makes of it, for those
    that have one. Either a number, or still on the device."""

    rate: float
    scaled: float | Tensor | None

    @property
    def known(self) -> float:
        """The rate that the weights moved with, as far as it can be told without waiting for the device."""
        return self.scaled if isinstance(self.scaled, float) else self.rate


def used_rates(optimizer: Optimizer, step: int) -> list[UsedRate]:
    """The rates of all groups at a step counted from 1."""
    return [_used_rate(group, step) for group in optimizer.param_groups]


def _used_rate(group: Mapping[str, Any], step: int) -> UsedRate:
    if group.get("relative_step"):
        largest = 1e-6 * step if group["warmup_init"] else 1e-2
        return UsedRate(min(largest, 1.0 / math.sqrt(step)), None)
    rate, estimate = float(group["lr"]), group.get("d")
    return UsedRate(rate, None if estimate is None else estimate * rate)


def _adafactor_arguments(arguments: dict[str, Any]) -> dict[str, Any]:
    """Kohya's rules: `warmup_init` needs the relative step, and with that Adafactor chooses the rate itself."""
    relative = bool(arguments["relative_step"] or arguments.get("warmup_init"))
    adapted = {**arguments, "relative_step": relative}
    return {**adapted, "lr": None} if relative else adapted
