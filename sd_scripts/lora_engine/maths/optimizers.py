"""Optimizers by the names that sd-scripts gives them, and by the names of their arguments there.

What torch, transformers and bitsandbytes lack comes from pytorch_optimizer (doc/decisions/0004-optimizers.md)."""

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

from sd_contract.errors import OptionError
from sd_contract.tensors.tensor_names import Part


@dataclass(frozen=True, kw_only=True)
class ParameterGroup:
    """Weights that share a learning rate."""

    part: Part
    parameters: Sequence[Parameter]
    learning_rate: float
    names: tuple[str, ...] = ()
    """What kohya's groups that are in it are called: "unet", "unet_block3 plus"."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Where an optimizer's class is, what it is given unless told otherwise, and what it calls the arguments whose
    names differ from those of the package that sd-scripts uses."""

    module: str
    name: str
    defaults: Mapping[str, Any]
    renamed: Mapping[str, str]
    needs_cuda: bool = False

    def load(self) -> Callable[..., Optimizer]:
        """The class. OptionError when its package is not installed."""
        try:
            found: Callable[..., Optimizer] = getattr(import_module(self.module), self.name)
        except ImportError as error:
            package = self.module.partition(".")[0]
            raise OptionError(
                f"optimizer {self.name} needs the package {package}, which can't be loaded ({error}). "
                'Install it, or use optimizer_type = "AdamW".'
            ) from error
        return found

    def arguments(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return {**self.defaults, **{self.renamed.get(name, name): value for name, value in given.items()}}


def _recipe(module: str, name: str, *, needs_cuda: bool = False, **defaults: Any) -> Recipe:
    return Recipe(module=module, name=name, defaults=defaults, renamed={}, needs_cuda=needs_cuda)


def _adaptive(name: str, *, decoupled: bool = False, **defaults: Any) -> Recipe:
    return Recipe(
        module="pytorch_optimizer",
        name=name,
        defaults={"weight_decouple": decoupled, **defaults},
        renamed={"decouple": "weight_decouple", "use_bias_correction": "bias_correction"},
    )


# Fused: one pass over all weights, which on a CPU takes a fifth of the time of a loop over them. Torch's fused SGD
# fails where some weights had no gradient yet, as those of LoRAs that module_dropout left out of the first step.
RECIPES: Mapping[str, Recipe] = {
    "AdamW": _recipe("torch.optim", "AdamW", fused=True),
    "AdamW8bit": _recipe("bitsandbytes.optim", "AdamW8bit", needs_cuda=True),
    "Lion": _recipe("pytorch_optimizer", "Lion"),
    "SGDNesterov": _recipe("torch.optim", "SGD", nesterov=True, momentum=0.9),
    "AdaFactor": _recipe("transformers.optimization", "Adafactor", relative_step=True),
    "Prodigy": _adaptive("Prodigy", decoupled=True),
    "DAdaptation": _adaptive("DAdaptAdam"),
    "DAdaptAdam": _adaptive("DAdaptAdam"),
    "DAdaptAdaGrad": _adaptive("DAdaptAdaGrad", eps=1e-6),
    "DAdaptLion": _adaptive("DAdaptLion", decoupled=True),
    "DAdaptSGD": _adaptive("DAdaptSGD"),
}


def make_optimizer(name: str, groups: Iterable[ParameterGroup], arguments: Mapping[str, Any]) -> Optimizer:
    """The optimizer of that name; each of its groups remembers its full rate as `initial_lr`."""
    recipe = RECIPES[name]
    wanted = recipe.arguments(arguments)
    if name == "AdaFactor":
        wanted = _adafactor_arguments(wanted)
    steps_itself = bool(wanted.get("relative_step"))
    table = [
        {
            "params": list(group.parameters),
            "lr": None if steps_itself else group.learning_rate,
            "initial_lr": group.learning_rate,
        }
        for group in groups
    ]
    return recipe.load()(table, **wanted)


def refuse_missing_device(name: str, device: torch.device) -> None:
    """OptionError when an optimizer needs a GPU that is not there, or a package that is not."""
    recipe = RECIPES[name]
    if recipe.needs_cuda and device.type != "cuda":
        raise OptionError(f'optimizer_type = "{name}" needs an NVIDIA GPU, and none was found. Use "AdamW".')
    recipe.load()


def optimizer_name(name: str, arguments: Mapping[str, Any]) -> str:
    """What the metadata of a LoRA file calls the optimizer: its class and the arguments that were given."""
    recipe = RECIPES[name]
    module = "torch.optim.adamw" if name == "AdamW" else recipe.module
    told = ",".join(f"{key}={value}" for key, value in arguments.items())
    return f"{module}.{recipe.name}" + (f"({told})" if told else "")


def set_learning_rate(optimizer: Optimizer, factor: float) -> None:
    """Gives every group its full rate times `factor`; an optimizer that chooses its own keeps choosing."""
    for group in optimizer.param_groups:
        if not group.get("relative_step"):
            group["lr"] = group["initial_lr"] * factor


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
