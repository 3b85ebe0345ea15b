"""The networks of a base model, made from its configuration and filled with its weights one tensor at a time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from lora_engine.families.weights import Find
from sd_contract.base_models.base_model import BaseModel
from sd_contract.errors import BaseModelError


def make_unet(base: BaseModel, find: Find, device: torch.device | str, dtype: torch.dtype) -> nn.Module:
    """The U-Net, its convolutions with the channels last: otherwise they turn weights or input around at every
    call, which on two CPU cores is a fifth of a training step of a few pixels, and on GPUs costs as well."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    with torch.device("meta"):
        unet = UNet2DConditionModel(**base.unet, sample_size=base.resolution // base.latent_factor)
    return _filled(unet, find, base, device, dtype, convolutions=torch.channels_last)


def make_vae(base: BaseModel, find: Find, device: torch.device | str) -> nn.Module:
    """The VAE in float32: in fp16 many overflow."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    with torch.device("meta"):
        vae = AutoencoderKL(**base.vae, sample_size=base.resolution)
    return _filled(vae, find, base, device, torch.float32)


def make_text_encoder(
    base: BaseModel, part: str, find: Find, device: torch.device | str, dtype: torch.dtype
) -> nn.Module:
    """A CLIP text model; SDXL's second one with the projection of its pooled output."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    kind: Any = CLIPTextModelWithProjection if part == "text_encoder_2" else CLIPTextModel
    with torch.device("meta"):
        encoder = kind(CLIPTextConfig(**getattr(base, part)))
    filled = _filled(encoder, find, base, device, dtype)
    _restore_position_ids(filled, device)
    return filled


def final_layer_norm(text_encoder: nn.Module) -> nn.Module:
    """The last layer of a CLIP text encoder; transformers 5.6 moved it out of `text_model`."""
    return getattr(text_encoder, "text_model", text_encoder).final_layer_norm  # type: ignore[return-value]


def _filled(
    module: nn.Module,
    find: Find,
    base: BaseModel,
    device: torch.device | str,
    dtype: torch.dtype,
    convolutions: torch.memory_format = torch.contiguous_format,
) -> nn.Module:
    """The module with its weights in place of its empty ones; frozen, in evaluation mode. Each is brought to its
    device, number format and order in memory in one copy."""
    weights = {}
    for name, empty in module.state_dict().items():
        order = convolutions if empty.dim() == 4 else torch.contiguous_format
        weights[name] = _weight(name, empty, find, base).to(device, dtype, copy=True, memory_format=order)
    module.load_state_dict(weights, assign=True)
    return module.requires_grad_(False).eval()


def _weight(name: str, empty: Tensor, find: Find, base: BaseModel) -> Tensor:
    """One weight in the shape its module wants; a file may keep a linear layer as a convolution of one pixel."""
    try:
        found = find(name)
    except KeyError as error:
        raise BaseModelError(
            f"base model: {base.path} lacks the tensor for {name} ({error.args[0]}). Download it again."
        ) from error
    if _bare(found) != _bare(empty):
        raise BaseModelError(
            f"base model: {base.path}: {name} has shape {tuple(found.shape)}, "
            f"{tuple(empty.shape)} was expected from the other tensors."
        )
    return found.reshape(empty.shape)


def _bare(tensor: Tensor) -> tuple[int, ...]:
    """The shape without the sides of a kernel of one pixel."""
    shape = tuple(tensor.shape)
    return shape[:2] if len(shape) == 4 and shape[2:] == (1, 1) else shape


def _restore_position_ids(text_encoder: nn.Module, device: torch.device | str) -> None:
    """Counts the positions again: this buffer is in no file, so it is still empty after loading."""
    embeddings: Any = getattr(text_encoder, "text_model", text_encoder).embeddings
    embeddings.position_ids = torch.arange(embeddings.position_embedding.num_embeddings, device=device).unsqueeze(
        0
    )
