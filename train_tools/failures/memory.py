"""What to take less of when memory ran out: the ladder of S0-41, one step at a time, each on top of those
before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sd_contract.options.known_optimizers import KNOWN
from train_tools.options.bundled import bundled_options

LEAST_RANK = 4
"""Below it hardly any memory is saved and much is lost."""

Options = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class MemoryStep:
    """A change of options that takes less memory."""

    says: str
    """What it does and what it costs, in words."""
    changes: Options


def next_memory_step(options: Options, *, gpu: bool) -> MemoryStep | None:
    """The next step for a run with these options; None when nothing is left. `gpu`: there is a card for an 8-bit
    optimizer."""
    steps = (step(options) for step in LADDER if gpu or step is not eight_bit_optimizer)
    return next(filter(None, steps), None)


def single_images(options: Options) -> MemoryStep | None:
    """Batch size 1; accumulation keeps the number of images that make up a step."""
    batch = _value("train_batch_size", options)
    if batch <= 1:
        return None
    together = batch * _value("gradient_accumulation_steps", options)
    return MemoryStep(
        says=f"batch size 1 instead of {batch}; {together} images still make up a step, by gradient accumulation",
        changes={"train_batch_size": 1, "gradient_accumulation_steps": together},
    )


def checkpointed_gradients(options: Options) -> MemoryStep | None:
    if _value("gradient_checkpointing", options):
        return None
    return MemoryStep(
        says="gradient checkpointing: the result stays the same, a step takes about a third longer",
        changes={"gradient_checkpointing": True},
    )


def eight_bit_optimizer(options: Options) -> MemoryStep | None:
    older_spellings = _value("use_8bit_adam", options) or _value("use_lion_optimizer", options)
    name = str(_value("optimizer_type", options))
    if f"{name}8bit" not in KNOWN or older_spellings:
        return None
    return MemoryStep(
        says=f"the 8-bit {name}, which keeps its averages in a quarter of the memory",
        changes={"optimizer_type": f"{name}8bit"},
    )


def half_the_rank(options: Options) -> MemoryStep | None:
    """Alpha keeps its share of the rank, so that the LoRA stays as strong. An alpha of 0 is the rank itself."""
    rank = _value("network_dim", options) or LEAST_RANK
    if rank <= LEAST_RANK or _value("dim_from_weights", options):
        return None
    smaller = max(LEAST_RANK, rank // 2)
    alpha = float(_value("network_alpha", options)) * smaller / rank
    return MemoryStep(
        says=f"rank {smaller} instead of {rank}, with an alpha of {alpha:g}: a smaller LoRA that can hold less",
        changes={"network_dim": smaller, "network_alpha": alpha},
    )


LADDER: tuple[Callable[[Options], MemoryStep | None], ...] = (
    single_images,
    checkpointed_gradients,
    eight_bit_optimizer,
    half_the_rank,
)


def _value(name: str, options: Options) -> Any:
    value = options.get(name)
    return bundled_options().default_of(name) if value is None else value
