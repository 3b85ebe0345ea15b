"""Why a training can't go on, in words for people: likely causes first, then what to change."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sd_contract.base_models.base_model import BaseModel
from sd_contract.options import Settings

ADVICE = "Use a smaller train_batch_size or resolution, gradient_checkpointing, or mixed_precision."
MANY_TIMES = 1.5


def no_number(
    what: str, settings: Settings, base: BaseModel, *, step: int, first: bool, rate: float, losses: Sequence[float]
) -> str:
    """What to say when the loss or a weight is no number after `step`. `first`: nothing was learnt before it;
    `losses` are those before it, oldest first."""
    rising = len(losses) > 1 and losses[-1] > MANY_TIMES * min(losses)
    told = f" (the loss rose from {min(losses):.3g} to {losses[-1]:.3g} before)" if rising else ""
    kind = "velocity" if base.v_prediction else "noise"
    target = (
        f"the model is trained towards {kind}, as v_parameterization or the file says: if it predicts the other, "
        "change v_parameterization"
    )
    speed = f"the learning rate ({rate:g}) is too high for this model{told}: divide it by 10"
    half = {
        "fp16": "fp16 overflowed: try bf16 or no mixed precision",
        "bf16": "bf16 was too coarse: try no mixed precision",
    }.get(settings.training.mixed_precision)
    vae = "the VAE is one that overflows (fp16): give another one with the option vae"
    is_doubtful = settings.noise.zero_terminal_snr and not base.v_prediction
    order = [target, half, vae, speed] if is_doubtful or first else [speed, half, target, vae]
    causes = "; ".join(f"({place}) {text}" for place, text in enumerate(filter(None, order), 1))
    return (
        f"{what} at step {step}, so training was stopped. Likely causes, the likeliest first: {causes}. Files and "
        "states saved before are kept."
    )


def out_of_memory(error: BaseException, doing: str) -> str | None:
    """What to say when memory ran out while `doing`; None for any other error."""
    text = str(error)
    name = type(error).__name__
    if not (name in ("OutOfMemoryError", "MemoryError") or "can't allocate memory" in text):
        return None
    while_ = f" while {doing}" if doing else ""
    return f"out of memory{while_}: {_needed(text)}{ADVICE}"


def _needed(text: str) -> str:
    wanted = re.search(r"[Tt]ried to allocate ([\d.]+ ?\w*)", text)
    if wanted is None:
        return f"{text.rstrip('.')}. " if text else ""
    there = re.search(r"total capacity of ([\d.]+ \w+) of which ([\d.]+ \w+) is free", text)
    free = f", {there[2]} of the GPU's {there[1]} were free" if there else ""
    return f"{_readable(wanted[1])} more were needed{free}. "


def _readable(amount: str) -> str:
    """A count of bytes in MiB; an amount with a unit as it is."""
    number, _, unit = amount.partition(" ")
    return f"{float(number) / 1024**2:.1f} MiB" if unit in ("", "bytes") else amount
