"""How many bytes numbers take: in the formats that runs are told to use, and in what optimizers remember."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sd_contract.options.known_optimizers import ALIASES, KNOWN

FULL = 4
STATES: Mapping[str, float] = {name.lower(): known.state_bytes for name, known in KNOWN.items()}
"""Bytes an optimizer remembers of each weight: two averages in float32 are 8 (Adam: Kingma & Ba, arXiv 1412.6980),
one is 4 (Lion: Chen et al., arXiv 2302.06675), 8-bit ones a quarter (Dettmers et al., arXiv 2110.02861); AdaFactor
keeps sums of rows and columns (Shazeer & Stern, arXiv 1804.04235)."""
UNKNOWN_STATES = 8.0


def bytes_of_format(name: object) -> int:
    """Of one number in `mixed_precision`'s or `save_precision`'s words; unset is full precision."""
    return 2 if name in ("fp16", "bf16") else FULL


def state_bytes(options: Mapping[str, Any]) -> float:
    """What the optimizer of these options remembers of one weight."""
    if options.get("use_8bit_adam"):
        return STATES["adamw8bit"]
    if options.get("use_lion_optimizer"):
        return STATES["lion"]
    name = str(options.get("optimizer_type") or "AdamW")
    return STATES.get(ALIASES.get(name, name).rpartition(".")[2].lower(), UNKNOWN_STATES)
