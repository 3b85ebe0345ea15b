"""The names that LoRA files use for the modules of a model: kohya's, which every program that loads LoRAs
knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from sd_contract.base_models.layouts import clip_path, unet_path

Part = Literal["unet", "text_encoder"]

PREFIXES: dict[Part, str] = {"unet": "lora_unet_", "text_encoder": "lora_te_"}
DOWN, UP, ALPHA = "lora_down.weight", "lora_up.weight", "alpha"
NUMBERED = ("lora_te1_", "lora_te2_")
"""The prefixes of SDXL's text encoders."""


def lora_name(part: Part, module_path: str, attention_levels: Sequence[bool] = ()) -> str:
    """The name of a module by its dotted path in diffusers' U-Net or transformers' CLIP text model; of
    several text encoders the path begins with the number, from 0.

    `text_model.` stands in every LoRA file although newer CLIPTextModel classes have no such module any
    more. In SDXL's files the U-Net's modules bear Stability's names; its `attention_levels` are given for that."""
    prefix = PREFIXES[part]
    if part == "text_encoder":
        number, _, rest = module_path.partition(".")
        if number.isdecimal():
            prefix, module_path = NUMBERED[int(number)], rest
        module_path = clip_path(module_path)
    elif attention_levels:
        module_path = unet_path(module_path, attention_levels)
    return prefix + module_path.replace(".", "_")


def part_of(name: str) -> Part | None:
    """Which part a tensor or module name of a LoRA file belongs to; None for names of other kinds."""
    if name.startswith(NUMBERED):
        return "text_encoder"
    for part, prefix in PREFIXES.items():
        if name.startswith(prefix):
            return part
    return None
