"""What a base model is, read from its file's header: family, widths, and what shapes don't tell.

Shapes don't tell the number of attention heads, norm groups, the VAE's scale, the kind of prediction or the
native resolution. Those come from the header key `train_tools.base_model`; without it they are Stable
Diffusion 1's own."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sd_contract.errors import BaseModelError, CheckpointError
from sd_contract.tensor_files import Header, verify_safetensors

Family = Literal["sd1", "sd2", "sdxl", "sdxl_refiner"]
Shapes = Mapping[str, tuple[int, ...]]

HEADER_KEY = "train_tools.base_model"
HEADER_FORMAT = 1
UNET = "model.diffusion_model."
VAE = "first_stage_model."
CLIP = "cond_stage_model.transformer.text_model."
FAMILY_NAMES = {"sd1": "SD1", "sd2": "SD2", "sdxl": "SDXL", "sdxl_refiner": "SDXL refiner"}
LORA_LEAVES = (
    ".lora_down.weight",
    ".lora_up.weight",
    ".lora_A.weight",
    ".hada_w1_a",
    ".lokr_w1",
    ".lokr_w1_a",
)
BOS, EOS = 49406, 49407

UNSAID: Mapping[str, Mapping[str, Any]] = {
    "unet": {"attention_head_dim": 8, "norm_num_groups": 32},
    "vae": {"norm_num_groups": 32, "scaling_factor": 0.18215},
    "text_encoder": {"num_attention_heads": 12, "hidden_act": "quick_gelu"},
    "scheduler": {"prediction_type": "epsilon"},
}
SD1_RESOLUTION = 512


@dataclass(frozen=True, kw_only=True)
class BaseModel:
    """A base model in one file. `unet`, `vae` are diffusers configs, `text_encoder` a transformers
    CLIPTextConfig; they are empty for families that are recognised but not trained. `attention_head_dim`
    is, as in diffusers' SD1 config, the number of heads."""

    path: Path
    family: Family
    prediction_type: str
    resolution: int
    unet: Mapping[str, Any]
    vae: Mapping[str, Any]
    text_encoder: Mapping[str, Any]

    @property
    def latent_factor(self) -> int:
        """Pixels of the image a side of one latent cell: 8 for every known SD1."""
        return int(2 ** (len(self.vae["block_out_channels"]) - 1))

    @property
    def v_prediction(self) -> bool:
        return self.prediction_type == "v_prediction"


SMALL_MODEL_BYTES = 200_000_000


def cpu_threads(path: Path) -> int:
    """How many threads a step with this base model is worth on a CPU: on narrow layers threads wait for each
    other longer than they compute."""
    small = not path.is_file() or path.stat().st_size < SMALL_MODEL_BYTES
    return 1 if small else os.cpu_count() or 1


def inspect(path: Path) -> BaseModel:
    """What the file holds. BaseModelError when it is missing, damaged, no base model, or of an unknown
    family."""
    try:
        header = verify_safetensors(path)
    except CheckpointError as error:
        raise BaseModelError(f"base model: {error}") from error
    family = _family(header.shapes, path)
    if family != "sd1":
        return BaseModel(
            path=path, family=family, prediction_type="", resolution=0, unet={}, vae={}, text_encoder={}
        )
    try:
        return _sd1(path, header)
    except (KeyError, IndexError, StopIteration) as error:
        raise BaseModelError(f"base model: {path} is an SD1 file, but tensors are missing ({error}).") from error


def inspect_trainable(path: Path) -> BaseModel:
    """The same, for a model that the bundled engine trains; BaseModelError for any other."""
    base = inspect(path)
    if base.family != "sd1":
        raise BaseModelError(
            f"base model: {path} is an {FAMILY_NAMES[base.family]} model; the bundled engine trains SD1 so "
            "far. "
            "Choose an SD1 model, or train with kohya's sd-scripts."
        )
    if base.unet["in_channels"] != base.vae["latent_channels"]:
        raise BaseModelError(
            f"base model: {path} takes {base.unet['in_channels']} channels, as inpainting models do; the "
            "bundled "
            "engine trains text-to-image models. Choose the model that the inpainting model was made from."
        )
    return base


def _family(shapes: Shapes, path: Path) -> Family:
    if any(name.endswith(LORA_LEAVES) for name in shapes):
        raise BaseModelError(f"base model: {path} is a LoRA file. Choose the model it was trained on.")
    if f"{UNET}label_emb.0.0.weight" in shapes:
        refined = not any(name.startswith("conditioner.embedders.1.") for name in shapes)
        return "sdxl_refiner" if refined else "sdxl"
    if f"{UNET}input_blocks.0.0.weight" in shapes:
        if any(name.startswith("cond_stage_model.model.") for name in shapes):
            return "sd2"
        if f"{CLIP}embeddings.token_embedding.weight" in shapes:
            return "sd1"
    raise BaseModelError(
        f"base model: {path} is of an unknown family ({len(shapes)} tensors, no U-Net and text encoder of "
        "Stable Diffusion 1, 2 or XL under their usual names). Choose a single-file checkpoint of one of "
        "these."
    )


def _sd1(path: Path, header: Header) -> BaseModel:
    unsaid = _unsaid(header.metadata, path)
    shapes = header.shapes
    return BaseModel(
        path=path,
        family="sd1",
        prediction_type=unsaid["scheduler"]["prediction_type"],
        resolution=unsaid["resolution"],
        unet=_unet_config(shapes) | unsaid["unet"],
        vae=_vae_config(shapes) | unsaid["vae"],
        text_encoder=_text_encoder_config(shapes) | unsaid["text_encoder"],
    )


def _unsaid(metadata: Mapping[str, str], path: Path) -> dict[str, Any]:
    """What shapes don't tell: the header key's values over SD1's."""
    try:
        said = json.loads(metadata.get(HEADER_KEY, '{"format": 1}'))
        number = said["format"]
        merged = {part: {**values, **said.get(part, {})} for part, values in UNSAID.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BaseModelError(f"base model: {path}: header key {HEADER_KEY} can't be read ({error}).") from error
    if number != HEADER_FORMAT:
        raise BaseModelError(
            f"base model: {path}: header key {HEADER_KEY} has format {number}; this version reads {HEADER_FORMAT}."
        )
    kind = merged["scheduler"]["prediction_type"]
    if kind not in ("epsilon", "v_prediction"):
        raise BaseModelError(f"base model: {path}: prediction type {kind!r}; known are epsilon and v_prediction.")
    return {**merged, "resolution": int(said.get("resolution", SD1_RESOLUTION))}


def _unet_config(shapes: Shapes) -> dict[str, Any]:
    widths, attention, level = [], [], 0
    while f"{UNET}input_blocks.{3 * level + 1}.0.out_layers.3.weight" in shapes:
        widths.append(shapes[f"{UNET}input_blocks.{3 * level + 1}.0.out_layers.3.weight"][0])
        attention.append(f"{UNET}input_blocks.{3 * level + 1}.1.norm.weight" in shapes)
        level += 1
    return {
        "in_channels": shapes[f"{UNET}input_blocks.0.0.weight"][1],
        "out_channels": shapes[f"{UNET}out.2.weight"][0],
        "block_out_channels": tuple(widths),
        "layers_per_block": 2,
        "cross_attention_dim": next(
            shape[1] for name, shape in sorted(shapes.items()) if name.endswith("attn2.to_k.weight")
        ),
        "down_block_types": tuple("CrossAttnDownBlock2D" if has else "DownBlock2D" for has in attention),
        "up_block_types": tuple("CrossAttnUpBlock2D" if has else "UpBlock2D" for has in reversed(attention)),
    }


def _vae_config(shapes: Shapes) -> dict[str, Any]:
    widths: list[int] = []
    while (name := f"{VAE}encoder.down.{len(widths)}.block.0.conv2.weight") in shapes:
        widths.append(shapes[name][0])
    return {
        "in_channels": shapes[f"{VAE}encoder.conv_in.weight"][1],
        "out_channels": shapes[f"{VAE}decoder.conv_out.weight"][0],
        "block_out_channels": tuple(widths),
        "layers_per_block": 2,
        "latent_channels": shapes[f"{VAE}post_quant_conv.weight"][0],
        "down_block_types": ("DownEncoderBlock2D",) * len(widths),
        "up_block_types": ("UpDecoderBlock2D",) * len(widths),
    }


def _text_encoder_config(shapes: Shapes) -> dict[str, Any]:
    positions, width = shapes[f"{CLIP}embeddings.position_embedding.weight"]
    layer = re.compile(re.escape(CLIP) + r"encoder\.layers\.(\d+)\.")
    return {
        "hidden_size": width,
        "intermediate_size": shapes[f"{CLIP}encoder.layers.0.mlp.fc1.weight"][0],
        "num_hidden_layers": 1 + max(int(found[1]) for name in shapes if (found := layer.match(name))),
        "max_position_embeddings": positions,
        "vocab_size": shapes[f"{CLIP}embeddings.token_embedding.weight"][0],
        "projection_dim": width,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
        "pad_token_id": EOS,
    }
