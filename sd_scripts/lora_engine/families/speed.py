"""How a loaded U-Net is made faster: attention, compilation. Nothing that is learned changes
but in its last digits."""

from __future__ import annotations

from importlib.util import find_spec

import torch

from lora_engine.families.family import Family
from sd_contract.errors import OptionError
from sd_contract.options.groups import TrainingOptions


def refuse_missing_attention(options: TrainingOptions, device: torch.device) -> None:
    """OptionError when xformers is asked for and can't be used here."""
    if options.xformers and device.type != "cuda":
        raise OptionError("xformers needs an NVIDIA GPU, and none was found. Use sdpa, which needs nothing.")
    if options.xformers and find_spec("xformers") is None:
        raise OptionError("xformers is not installed. Install it, or use sdpa, which is as fast on most cards.")


def hurry(model: Family, options: TrainingOptions) -> None:
    """Prepares the U-Net for many steps."""
    if options.xformers:
        model.unet.enable_xformers_memory_efficient_attention()
    if options.torch_compile:
        model.unet.compile(backend=options.dynamo_backend)
