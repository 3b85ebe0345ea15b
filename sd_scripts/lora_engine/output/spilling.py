"""Whether a GPU's memory has run over into the computer's. NVIDIA's driver lets it, on Windows and below it (WSL),
without a word: nothing fails, and each step takes many times as long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch

AFTER_STEPS = 3
"""By then the optimizer has its memory, and torch holds the most it will need."""
NEARLY_NONE = 0.05
"""The share of a card's memory that is still free when it has run over."""


@dataclass(frozen=True, kw_only=True)
class CardFigures:
    """A card's memory in bytes: all of it, what is free by the driver's word, and the most that torch has ever
    taken for this process."""

    total: int
    free: int
    reserved: int


class Card(Protocol):
    """What can be asked for its figures."""

    def __call__(self) -> CardFigures: ...


@dataclass(frozen=True)
class TorchCard:
    """The GPU that is trained on. Asking does not wait for what it is doing."""

    device: torch.device

    def __call__(self) -> CardFigures:
        free, total = torch.cuda.mem_get_info(self.device)
        return CardFigures(total=total, free=free, reserved=torch.cuda.max_memory_reserved(self.device))


def spill_warning(before: CardFigures, now: CardFigures) -> str:
    """What to say when more is held of a card than it has, by this process and by what was there before it; empty
    when all fits, or when others have made room meanwhile."""
    others = before.total - before.free - before.reserved
    held = others + now.reserved
    if held <= now.total or now.free > NEARLY_NONE * now.total:
        return ""
    return (
        "the GPU's memory has run over into the computer's, and steps may take ten times as long: "
        f"{_gb(held)} are held of the {_gb(now.total)} it has, {_gb(others)} of that by other programs. Stop, end "
        "what else uses the card, and take less: gradient_checkpointing, a smaller train_batch_size or resolution."
        ' That the driver does this can be turned off: NVIDIA Control Panel, "CUDA - Sysmem Fallback Policy".'
    )


class SpillWatch:
    """Looks once, after the first steps, and warns."""

    def __init__(self, card: Card | None, warn: Callable[[str], None]) -> None:
        """Without a card nothing is ever asked."""
        self._card = card
        self._warn = warn
        self._steps = 0
        self._before = card() if card is not None else None

    @classmethod
    def on(cls, device: torch.device, warn: Callable[[str], None]) -> SpillWatch:
        """To be made before anything lies on the device."""
        return cls(TorchCard(device) if device.type == "cuda" else None, warn)

    def after_step(self) -> None:
        self._steps += 1
        if self._card is None or self._before is None or self._steps != AFTER_STEPS:
            return
        warning = spill_warning(self._before, self._card())
        if warning:
            self._warn(warning)


def _gb(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
