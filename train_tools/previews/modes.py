"""What previews show of LoRAs that were trained in other modes than on images, where nobody has chosen prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sd_contract.options.groups import IMAGES, ON_PAIRS, SLIDER
from train_tools.model.preview import PreviewSettings

BOTH_WAYS = (-1.0, -0.5, 0.0, 0.5, 1.0)
"""Weights that show a change and its opposite."""
FEW = 8
"""Prompts that are shown at most."""


def settings_in_mode(
    settings: PreviewSettings, options: Mapping[str, Any], captions: tuple[str, ...]
) -> PreviewSettings:
    """The prompts of the mode that a version's options ask for, original ones and targets; of pairs what they
    show. Over weights both ways, unless others were chosen. On images, as they are."""
    mode = options.get("mode", IMAGES)
    if mode == IMAGES:
        return settings
    originals = _listed(options.get("original_prompt"))
    if mode in ON_PAIRS:
        prompts = originals or captions[:1]
    elif mode == SLIDER:
        prompts = originals
    else:
        prompts = (*originals, *_listed(options.get("target_prompt")))
    usual = settings.weights == PreviewSettings().weights and "weight" not in settings.axes
    return replace(
        settings,
        prompts=tuple(dict.fromkeys(filter(None, prompts)))[:FEW] or settings.prompts,
        weights=BOTH_WAYS if usual else settings.weights,
    )


def _listed(value: Any) -> tuple[str, ...]:
    return tuple(str(prompt) for prompt in value) if isinstance(value, tuple | list) else ()
