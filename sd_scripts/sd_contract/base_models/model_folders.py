"""Base models in diffusers' folder layout: which family one is, its parts' configurations and weight files.
Reads JSON and file names alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sd_contract.base_models.model_shapes import CHANNELS_A_HEAD, EOS, Family
from sd_contract.errors import BaseModelError

STEMS = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model"}
TEXT_STEM = "model"
PICKLED_STEMS = {"model": "pytorch_model"}
VARIANTS = ("", ".fp16", ".non_ema")
PARTS = ("unet", "vae", "text_encoder", "text_encoder_2")
TEXT_KEYS = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "max_position_embeddings",
    "vocab_size",
    "hidden_act",
    "projection_dim",
)
UNET_KEYS = (
    "in_channels",
    "out_channels",
    "block_out_channels",
    "layers_per_block",
    "cross_attention_dim",
    "down_block_types",
    "up_block_types",
    "attention_head_dim",
    "norm_num_groups",
    "use_linear_projection",
    "upcast_attention",
    "transformer_layers_per_block",
    "addition_embed_type",
    "addition_time_embed_dim",
    "projection_class_embeddings_input_dim",
)
VAE_KEYS = (
    "in_channels",
    "out_channels",
    "block_out_channels",
    "layers_per_block",
    "latent_channels",
    "down_block_types",
    "up_block_types",
    "norm_num_groups",
    "scaling_factor",
)


@dataclass(frozen=True, kw_only=True)
class ModelFolder:
    """What a folder's JSON files say."""

    family: Family
    prediction_type: str
    zero_terminal_snr: bool
    configs: Mapping[str, Mapping[str, Any]]


def read(path: Path) -> ModelFolder:
    """The model in a folder. BaseModelError when it is no diffusers folder or of an unknown family."""
    if not (path / "model_index.json").is_file():
        raise BaseModelError(
            f"base model: {path} is a folder without model_index.json. Choose a single .safetensors file or a "
            "diffusers folder."
        )
    unet = _json(path / "unet" / "config.json")
    family = _family(unet, path)
    scale = 0.13025 if family == "sdxl" else 0.18215
    vae = {"scaling_factor": scale, **vae_config(path / "vae")}
    texts = [part for part in PARTS[2:] if part == "text_encoder" or family == "sdxl"]
    scheduler = _json(path / "scheduler" / "scheduler_config.json")
    return ModelFolder(
        family=family,
        prediction_type=scheduler.get("prediction_type", "epsilon"),
        zero_terminal_snr=bool(scheduler.get("rescale_betas_zero_snr", False)),
        configs={
            "unet": {**_picked(unet, UNET_KEYS), **({"upcast_attention": True} if family == "sd2" else {})},
            "vae": vae,
            **{part: _text_config(_json(path / part / "config.json"), family, part) for part in texts},
        },
    )


def vae_config(folder: Path) -> dict[str, Any]:
    """The configuration of a VAE's own folder."""
    return _picked(_json(folder / "config.json"), VAE_KEYS)


def weight_files(folder: Path) -> list[Path]:
    """The files of one part's weights: safetensors before pickles, full precision before half. BaseModelError when
    there are none."""
    stem = STEMS.get(folder.name, TEXT_STEM)
    if not (folder / f"{stem}.safetensors").exists() and any(folder.glob(f"{STEMS['vae']}*")):
        stem = STEMS["vae"]
    for suffix, name in ((".safetensors", stem), (".bin", PICKLED_STEMS.get(stem, stem))):
        for variant in VARIANTS:
            if (whole := folder / f"{name}{variant}{suffix}").is_file():
                return [whole]
            if pieces := sorted(folder.glob(f"{name}{variant}-*-of-*{suffix}")):
                return pieces
    raise BaseModelError(f"base model: {folder} has no weights ({stem}.safetensors). Download it again.")


def _family(unet: Mapping[str, Any], path: Path) -> Family:
    if unet.get("addition_embed_type") == "text_time":
        return "sdxl" if (path / "text_encoder").is_dir() else "sdxl_refiner"
    if unet.get("addition_embed_type") or unet.get("class_embed_type"):
        raise BaseModelError(
            f"base model: {path} is of an unknown family (its U-Net has additional embeddings). Choose a model "
            "of Stable Diffusion 1, 2 or XL."
        )
    return "sd2" if unet.get("use_linear_projection") or unet.get("cross_attention_dim") == 1024 else "sd1"


def _text_config(said: Mapping[str, Any], family: Family, part: str) -> dict[str, Any]:
    first = part == "text_encoder" and family != "sd2"
    config = {"bos_token_id": EOS - 1, "eos_token_id": EOS, "pad_token_id": EOS if first else 0}
    config |= _picked(said, TEXT_KEYS)
    if first:
        return {"hidden_act": "quick_gelu", "num_attention_heads": 12, **config}
    return {"hidden_act": "gelu", "num_attention_heads": config["hidden_size"] // CHANNELS_A_HEAD, **config}


def _picked(said: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    values = {key: said[key] for key in keys if said.get(key) is not None}
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
        raise ValueError("it holds no table")
    except (OSError, ValueError) as error:
        raise BaseModelError(f"base model: {path} can't be read ({error}). Download the model again.") from error
