"""The kinds of base models, one module each, and loading any of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from lora_engine.families.family import Family, ImageSize, TextStates
from lora_engine.families.sd1 import StableDiffusion1
from lora_engine.families.sd2 import StableDiffusion2
from lora_engine.families.sdxl import StableDiffusionXL
from lora_engine.families.tokens import make_tokenizer
from lora_engine.families.weights import open_parts
from sd_contract.base_models.base_model import BaseModel

__all__ = ["FAMILIES", "Family", "ImageSize", "TextStates", "load"]

FAMILIES: Mapping[str, type[StableDiffusion1]] = {
    "sd1": StableDiffusion1,
    "sd2": StableDiffusion2,
    "sdxl": StableDiffusionXL,
}


def load(
    base: BaseModel,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    tokenizer_folder: Path | None = None,
) -> Family:
    """Loads all parts of a model that `sd_contract.base_models.base_model.inspect_trainable` has looked at.
    BaseModelError when tensors are missing or don't fit, or when no CLIP vocabulary is found."""
    tokenizer = make_tokenizer(tokenizer_folder, base.path if base.is_folder else base.path.parent)
    return FAMILIES[base.family].assembled(base, open_parts(base), tokenizer, device, dtype)
