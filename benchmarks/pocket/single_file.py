"""Stability's single-file layout: writing networks to it and reading them back. What each tensor is called
there is in `sd_contract.base_models.layouts`.

The header's key `train_tools.base_model` holds, as JSON, the facts that tensor shapes do not tell.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file

from benchmarks.pocket.blueprint import Blueprint, Networks, build
from sd_contract.base_models.base_model import HEADER_KEY, BaseModel, inspect_trainable
from sd_contract.base_models.layouts import (
    CLIP,
    OPEN_CLIP,
    UNET,
    VAE,
    Place,
    clip_path,
    open_clip_place,
    unet_path,
    vae_path,
)

POSITIONS = "text_model.embeddings.position_ids"
ARCHITECTURES = {
    "sd1": "stable-diffusion-v1",
    "sd2": "stable-diffusion-v2-512",
    "sdxl": "stable-diffusion-xl-v1-base",
}
DESCRIPTIONS = {
    "sd1": "A Stable-Diffusion-1-shaped model of tiny widths, taught from drawn scenes, "
    "to try Train Tools without a download.",
    "sd2": "A Stable-Diffusion-2-shaped model of tiny widths and random weights.",
    "sdxl": "A Stable-Diffusion-XL-shaped model of tiny widths and random weights.",
}
DTYPES = {torch.float16: "F16", torch.int64: "I64"}


def save(networks: Networks, path: Path, *, title: str) -> None:
    """Write the networks as float16; the same weights give the same bytes (safetensors' writer shuffles)."""
    content = _file_bytes(single_file_tensors(networks), single_file_metadata(networks.blueprint, title))
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".tmp")
    unfinished.write_bytes(content)
    unfinished.replace(path)


def load(path: Path) -> Networks:
    """Read such a file as float32 networks in evaluation mode; BaseModelError for what is no base model."""
    networks = build(_blueprint(inspect_trainable(path)))
    tensors = load_file(path)
    for place, parameter in _parameters(networks):
        stored = tensors[place.name]
        stored = stored if place.third is None else stored.chunk(3)[place.third]
        parameter.copy_((stored.t() if place.transposed else stored).reshape(parameter.shape))
    return networks


def unet_name(name: str) -> str:
    """The single-file name of a tensor of a diffusers U-Net that has no attention on its last level, as Stable
    Diffusion 1's."""
    return UNET + unet_path(name, (True, True, True, False))


def autoencoder_name(name: str) -> str:
    """The single-file name of a tensor of a diffusers autoencoder of four levels."""
    return VAE + vae_path(name, 4)


def text_encoder_name(name: str) -> str:
    """The single-file name of a CLIP text tensor of Stable Diffusion 1, whether or not it still bears its
    `text_model.` prefix."""
    return CLIP["sd1"] + clip_path(name)


def single_file_tensors(networks: Networks) -> dict[str, torch.Tensor]:
    """All tensors of a file by name, in half precision."""
    tensors: dict[str, torch.Tensor] = {}
    thirds: dict[str, list[torch.Tensor]] = {}
    for place, parameter in _parameters(networks):
        stored = _as_stored(place, parameter)
        if place.third is None:
            tensors[place.name] = stored
        else:
            thirds.setdefault(place.name, [stored] * 3)[place.third] = stored
    tensors |= {name: torch.cat(parts) for name, parts in thirds.items()}
    family = networks.blueprint.family
    if family in CLIP:
        tensors[CLIP[family] + POSITIONS] = torch.arange(77)[None]
    return tensors


def _parameters(networks) -> Iterator[tuple[Place, torch.Tensor]]:
    blueprint = networks.blueprint
    attention = [depth > 0 for depth in blueprint.depths]
    for name, parameter in networks.unet.state_dict().items():
        yield Place(UNET + unet_path(name, attention)), parameter
    for name, parameter in networks.autoencoder.state_dict().items():
        yield Place(VAE + vae_path(name, len(blueprint.autoencoder_widths))), parameter
    yield from _text_parameters(networks.text_encoder, blueprint.family, second=False)
    if networks.text_encoder_2 is not None:
        yield from _text_parameters(networks.text_encoder_2, blueprint.family, second=True)


def _text_parameters(encoder, family, *, second) -> Iterator[tuple[Place, torch.Tensor]]:
    for name, parameter in encoder.state_dict().items():
        if second or family == "sd2":
            place = open_clip_place(name)
            yield Place(OPEN_CLIP[family] + place.name, place.third, place.transposed), parameter
        else:
            yield Place(CLIP[family] + clip_path(name)), parameter


def _as_stored(place, parameter):
    """Half precision; the autoencoder's attention is stored as convolutions of one pixel."""
    stored = parameter.detach().half()
    is_attention = ".mid.attn_1." in place.name and place.name.endswith("weight") and stored.ndim == 2
    stored = stored[:, :, None, None] if is_attention else stored
    return (stored.t() if place.transposed else stored).contiguous()


def single_file_metadata(blueprint, title) -> Mapping[str, str]:
    size = f"{blueprint.resolution}x{blueprint.resolution}"
    return {
        "format": "pt",
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": ARCHITECTURES[blueprint.family],
        "modelspec.title": title,
        "modelspec.license": "Apache-2.0",
        "modelspec.description": DESCRIPTIONS[blueprint.family],
        "modelspec.resolution": size,
        "modelspec.prediction_type": "v" if blueprint.prediction_type == "v_prediction" else "epsilon",
        HEADER_KEY: json.dumps(blueprint.facts()),
    }


def _file_bytes(tensors, metadata) -> bytes:
    """The safetensors format: header length, JSON header, then the tensors, widest type first."""
    header: dict = {"__metadata__": dict(sorted(metadata.items()))}
    parts = []
    offset = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: (-item[1].element_size(), item[0])):
        parts.append(tensor.numpy().tobytes())
        end = offset + len(parts[-1])
        header[name] = {
            "dtype": DTYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(parts)


def _blueprint(base: BaseModel) -> Blueprint:
    unet = base.unet
    layers = unet.get("transformer_layers_per_block", (1,) * len(unet["block_out_channels"]))
    return Blueprint(
        family=base.family,
        unet_widths=unet["block_out_channels"],
        depths=tuple(
            depth if kind.startswith("CrossAttn") else 0
            for depth, kind in zip(layers, unet["down_block_types"], strict=True)
        ),
        autoencoder_widths=base.vae["block_out_channels"],
        text_width=base.text_encoder["hidden_size"],
        text_layers=base.text_encoder["num_hidden_layers"],
        second_text_width=(base.text_encoder_2 or base.text_encoder)["hidden_size"],
        second_text_layers=(base.text_encoder_2 or {"num_hidden_layers": 3})["num_hidden_layers"],
        size_width=unet.get("addition_time_embed_dim", 32),
        heads=unet["attention_head_dim"],
        unet_groups=unet["norm_num_groups"],
        autoencoder_groups=base.vae["norm_num_groups"],
        resolution=base.resolution,
        prediction_type=base.prediction_type,
    )
