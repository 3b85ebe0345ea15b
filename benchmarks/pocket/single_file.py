"""The Stable Diffusion 1 single-file layout: what each tensor is called there, writing it, reading it back.

The header's key `train_tools.base_model` holds, as JSON, the facts that tensor shapes do not tell.
"""

import json
import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file

from benchmarks.pocket.blueprint import Blueprint, Networks, build
from sd_contract.base_model import HEADER_KEY, BaseModel, inspect_trainable

POSITIONS = "cond_stage_model.transformer.text_model.embeddings.position_ids"
DESCRIPTION = (
    "A Stable-Diffusion-1-shaped model of tiny widths, taught from drawn scenes, "
    "to try Train Tools without a download."
)
DTYPES = {torch.float16: "F16", torch.int64: "I64"}

Rule = tuple[str, str | Callable[[re.Match], str]]


def save(networks: Networks, path: Path, *, title: str) -> None:
    """Write the networks as float16; the same weights give the same bytes (safetensors' writer shuffles)."""
    content = _file_bytes(_tensors(networks), _metadata(networks.blueprint, title))
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".tmp")
    unfinished.write_bytes(content)
    unfinished.replace(path)


def load(path: Path) -> Networks:
    """Read such a file as float32 networks in evaluation mode; BaseModelError for what is no base model."""
    networks = build(_blueprint(inspect_trainable(path)))
    tensors = load_file(path)
    for name, parameter in _parameters(networks):
        parameter.copy_(tensors[name].reshape(parameter.shape))
    return networks


def unet_name(name: str) -> str:
    """The single-file name of a diffusers U-Net tensor."""
    return "model.diffusion_model." + _renamed(name, UNET_RULES)


def autoencoder_name(name: str) -> str:
    """The single-file name of a diffusers autoencoder tensor."""
    return "first_stage_model." + _renamed(name, AUTOENCODER_RULES)


def text_encoder_name(name: str) -> str:
    """The single-file name of a CLIP text tensor, whether or not it still bears its `text_model.` prefix."""
    return "cond_stage_model.transformer.text_model." + name.removeprefix("text_model.")


def _tensors(networks) -> dict[str, torch.Tensor]:
    tensors = {name: _as_stored(name, parameter) for name, parameter in _parameters(networks)}
    tensors[POSITIONS] = torch.arange(77)[None]
    return tensors


def _parameters(networks) -> Iterator[tuple[str, torch.Tensor]]:
    for network, renamed in (
        (networks.unet, unet_name),
        (networks.autoencoder, autoencoder_name),
        (networks.text_encoder, text_encoder_name),
    ):
        for name, parameter in network.state_dict().items():
            yield renamed(name), parameter


def _as_stored(name, parameter):
    """Half precision; the autoencoder's attention is stored as convolutions of one pixel."""
    stored = parameter.detach().half()
    is_attention = ".mid.attn_1." in name and name.endswith("weight") and stored.ndim == 2
    return (stored[:, :, None, None] if is_attention else stored).contiguous()


def _metadata(blueprint, title):
    size = f"{blueprint.resolution}x{blueprint.resolution}"
    return {
        "format": "pt",
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": "stable-diffusion-v1",
        "modelspec.title": title,
        "modelspec.license": "Apache-2.0",
        "modelspec.description": DESCRIPTION,
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
    return Blueprint(
        unet_widths=base.unet["block_out_channels"],
        autoencoder_widths=base.vae["block_out_channels"],
        text_width=base.text_encoder["hidden_size"],
        text_layers=base.text_encoder["num_hidden_layers"],
        heads=base.unet["attention_head_dim"],
        unet_groups=base.unet["norm_num_groups"],
        autoencoder_groups=base.vae["norm_num_groups"],
        resolution=base.resolution,
        prediction_type=base.prediction_type,
    )


def _renamed(name, rules):
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


def _unet_input(match):
    level, kind, index = int(match[1]), match[2], int(match[3])
    return f"input_blocks.{3 * level + index + 1}.{UNET_PARTS[kind]}."


def _unet_output(match):
    level, kind, index = int(match[1]), match[2], int(match[3])
    return f"output_blocks.{3 * level + index}.{UNET_PARTS[kind]}."


def _unet_downsampler(match):
    return f"input_blocks.{3 * int(match[1]) + 3}.0.op."


def _unet_upsampler(match):
    level = int(match[1])
    return f"output_blocks.{3 * level + 2}.{1 if level == 0 else 2}."


def _decoder_level(match):
    return f"decoder.up.{3 - int(match[1])}."


UNET_PARTS = {"resnets": 0, "attentions": 1}

IN_RESNET = r"(_blocks\.\d+\.0\.|middle_block\.[02]\.)"
RESNET_RULES: list[Rule] = [
    (IN_RESNET + r"norm1\.", r"\1in_layers.0."),
    (IN_RESNET + r"conv1\.", r"\1in_layers.2."),
    (IN_RESNET + r"norm2\.", r"\1out_layers.0."),
    (IN_RESNET + r"conv2\.", r"\1out_layers.3."),
    (r"time_emb_proj\.", "emb_layers.1."),
    (r"conv_shortcut\.", "skip_connection."),
]

UNET_RULES: list[Rule] = [
    (r"^time_embedding\.linear_1\.", "time_embed.0."),
    (r"^time_embedding\.linear_2\.", "time_embed.2."),
    (r"^conv_in\.", "input_blocks.0.0."),
    (r"^conv_norm_out\.", "out.0."),
    (r"^conv_out\.", "out.2."),
    (r"^down_blocks\.(\d)\.(resnets|attentions)\.(\d)\.", _unet_input),
    (r"^down_blocks\.(\d)\.downsamplers\.0\.conv\.", _unet_downsampler),
    (r"^up_blocks\.(\d)\.(resnets|attentions)\.(\d)\.", _unet_output),
    (r"^up_blocks\.(\d)\.upsamplers\.0\.", _unet_upsampler),
    (r"^mid_block\.resnets\.0\.", "middle_block.0."),
    (r"^mid_block\.attentions\.0\.", "middle_block.1."),
    (r"^mid_block\.resnets\.1\.", "middle_block.2."),
    *RESNET_RULES,
]

AUTOENCODER_RULES: list[Rule] = [
    (r"conv_shortcut\.", "nin_shortcut."),
    (r"conv_norm_out\.", "norm_out."),
    (r"mid_block\.resnets\.0\.", "mid.block_1."),
    (r"mid_block\.resnets\.1\.", "mid.block_2."),
    (r"mid_block\.attentions\.0\.group_norm\.", "mid.attn_1.norm."),
    (r"mid_block\.attentions\.0\.to_([qkv])\.", r"mid.attn_1.\1."),
    (r"mid_block\.attentions\.0\.to_out\.0\.", "mid.attn_1.proj_out."),
    (r"^encoder\.down_blocks\.(\d)\.", r"encoder.down.\1."),
    (r"^decoder\.up_blocks\.(\d)\.", _decoder_level),
    (r"\.resnets\.(\d)\.", r".block.\1."),
    (r"\.(down|up)samplers\.0\.", r".\1sample."),
]
