"""A LoRA under the names of other programs."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from lora_engine.tools.layers import Layer
from lora_engine.tools.lora_files import Lora
from lora_engine.tools.merging import Tensors
from sd_contract.errors import CheckpointError
from sd_contract.loras.names import Scheme, named

PARTS = ("lora_unet_", "lora_te_", "lora_te1_", "lora_te2_")


def converted(lora: Lora, scheme: Scheme) -> Tensors:
    """The tensors under another scheme's names. CheckpointError for layers that it has no names for.

    The dotted names of PEFT have no alpha: it goes into `up`. Their readers take one rank for a whole part of
    the model, so smaller ones are filled with zeros, which change nothing."""
    try:
        if scheme == "peft":
            return dict(_of_peft(lora))
        linear = lora.family == "sd2" and scheme == "kohya-diffusers"
        return {
            f"{named(layer.name, scheme)}.{leaf}": _linear(layer, tensor) if linear else tensor
            for layer in lora.layers.values()
            for leaf, tensor in layer.leaves.items()
        }
    except ValueError as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(
            f"{lora.path}: the layer {error} is none of a U-Net or text encoder of Stable Diffusion 1, 2 or XL, "
            f"so it has no name in the scheme {scheme!r}."
        ) from error


def _of_peft(lora: Lora) -> Iterator[tuple[str, Tensor]]:
    ranks = {
        part: max((layer.rank for layer in lora.layers.values() if layer.name.startswith(part)), default=0)
        for part in PARTS
    }
    for layer in lora.layers.values():
        part = next(part for part in PARTS if layer.name.startswith(part))
        up, down = _filled(layer, ranks[part])
        path = named(layer.name, "peft")
        if lora.family == "sd2":
            up, down = _linear(layer, up), _linear(layer, down)
        yield f"{path}.lora_A.weight", down
        yield f"{path}.lora_B.weight", up * layer.scale


def _linear(layer: Layer, tensor: Tensor) -> Tensor:
    """kohya's LoRAs for SD2 have convolutions of one pixel where diffusers' U-Net has linear layers."""
    return tensor.flatten(1) if layer.name.endswith(("_proj_in", "_proj_out")) and tensor.ndim == 4 else tensor


def _filled(layer: Layer, rank: int) -> tuple[Tensor, Tensor]:
    up, down = layer.factors
    missing = rank - layer.rank
    shape = (layer.up.shape[0], rank, *layer.up.shape[2:])
    padded = F.pad(down, (0, 0, 0, missing)).reshape(rank, *layer.down.shape[1:])
    return F.pad(up, (0, missing)).reshape(shape).contiguous(), torch.clone(padded)
