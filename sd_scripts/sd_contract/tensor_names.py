"""The names that LoRA files use for the modules of a model: kohya's, which every program that loads LoRAs
knows."""

from __future__ import annotations

from typing import Literal

Part = Literal["unet", "text_encoder"]

PREFIXES: dict[Part, str] = {"unet": "lora_unet_", "text_encoder": "lora_te_"}
DOWN, UP, ALPHA = "lora_down.weight", "lora_up.weight", "alpha"
TEXT_MODEL = "text_model."


def lora_name(part: Part, module_path: str) -> str:
    """The name of a module by its dotted path in diffusers' U-Net or transformers' CLIP text model.

    `text_model.` stands in every LoRA file although newer CLIPTextModel classes have no such module any
    more."""
    if part == "text_encoder":
        module_path = TEXT_MODEL + module_path.removeprefix(TEXT_MODEL)
    return PREFIXES[part] + module_path.replace(".", "_")


def part_of(name: str) -> Part | None:
    """Which part a tensor or module name of a LoRA file belongs to; None for names of other kinds."""
    for part, prefix in PREFIXES.items():
        if name.startswith(prefix):
            return part
    return None
