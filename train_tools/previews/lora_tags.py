"""The tags with which WebUIs' prompts call a LoRA: a matrix says itself which one, so those of the user go."""

from __future__ import annotations

import re

TAG = re.compile(r"<(?:lora|lyco):[^<>]*>", re.IGNORECASE)
SPARE_COMMA = re.compile(r"\s*,(?:\s*,)+")


def without_lora_tags(prompt: str) -> tuple[str, tuple[str, ...]]:
    """The prompt without its LoRA tags, and these. A prompt without any stays as it is to the last space."""
    tags = tuple(TAG.findall(prompt))
    if not tags:
        return prompt, ()
    return SPARE_COMMA.sub(",", TAG.sub("", prompt)).strip(" ,"), tags


def lora_tag(stem: str, weight: float) -> str:
    return f"<lora:{stem}:{weight:.10g}>"
