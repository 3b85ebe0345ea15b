"""Which base models are trained on, and for how many runs."""

from __future__ import annotations

from collections.abc import Iterator

from sd_contract.base_models.base_model import FAMILY_NAMES
from train_tools.model.finding import Finding, Level
from train_tools.preflight.prospect import Prospect

BASE_MODEL = "base model"


def base_models(prospect: Prospect) -> Iterator[Finding]:
    """What is wrong with one is told by the trainer: it takes another, or none."""
    for candidate in prospect.candidates:
        family = prospect.family_of(candidate.base_model)
        yield candidate.finds(
            BASE_MODEL,
            Level.OK,
            f"{candidate.base_model.name}: {FAMILY_NAMES.get(family, family) or 'of a family unknown here'}.",
        )
        if family == "sd2" and candidate.value("network_train_unet_only"):
            yield candidate.finds(
                "text encoder",
                Level.WARNING,
                "The text encoder is not trained; with SD2, much of what a LoRA learns lies there.",
                "Take network_train_unet_only out.",
            )
