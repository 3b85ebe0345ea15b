"""The configurations of a base model's parts, read from the names and shapes of a single file's tensors, and
what its family takes for granted where shapes tell nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from sd_contract.base_models.layouts import CLIP, OPEN_CLIP, TEXT_MODEL, UNET, VAE

Family = Literal["sd1", "sd2", "sdxl", "sdxl_refiner"]
Shapes = Mapping[str, tuple[int, ...]]
Config = dict[str, Any]

BOS, EOS = 49406, 49407
CHANNELS_A_HEAD = 64
SD2_TEXT_LAYERS = 23
"""OpenCLIP's ViT-H has 24; Stable Diffusion 2 takes the states before the last."""
SIZE_NUMBERS = 6
LORA_LEAVES = (
    ".lora_down.weight",
    ".lora_up.weight",
    ".lora_A.weight",
    ".hada_w1_a",
    ".lokr_w1",
    ".lokr_w1_a",
)


def family_of(shapes: Shapes) -> Family | None:
    """The family of a single file, by the names only it has; None for any other file."""
    if f"{UNET}label_emb.0.0.weight" in shapes:
        refined = not any(name.startswith("conditioner.embedders.1.") for name in shapes)
        return "sdxl_refiner" if refined else "sdxl"
    if f"{UNET}input_blocks.0.0.weight" in shapes:
        if any(name.startswith(OPEN_CLIP["sd2"]) for name in shapes):
            return "sd2"
        if any(name.endswith("embeddings.token_embedding.weight") for name in ShapesBelow(shapes, CLIP["sd1"])):
            return "sd1"
    return None


def is_lora(shapes: Shapes) -> bool:
    return any(name.endswith(LORA_LEAVES) for name in shapes)


def configs(shapes: Shapes, family: Family) -> dict[str, Config]:
    """The configuration of each part: diffusers' for `unet` and `vae`, transformers' for the text encoders.
    KeyError, IndexError or ValueError when tensors are missing."""
    text: dict[str, Config]
    if family == "sd1":
        text = {"text_encoder": clip_config(_clip(shapes, CLIP["sd1"])) | {"num_attention_heads": 12}}
    elif family == "sd2":
        config = open_clip_config(ShapesBelow(shapes, OPEN_CLIP["sd2"]))
        layers = min(config["num_hidden_layers"], SD2_TEXT_LAYERS)
        text = {"text_encoder": config | {"num_hidden_layers": layers}}
    else:
        text = {
            "text_encoder": clip_config(_clip(shapes, CLIP["sdxl"])) | {"num_attention_heads": 12},
            "text_encoder_2": open_clip_config(ShapesBelow(shapes, OPEN_CLIP["sdxl"])),
        }
    pooled = text.get("text_encoder_2", {}).get("projection_dim")
    scale = 0.13025 if family == "sdxl" else 0.18215
    vae = vae_config(shapes) | {"norm_num_groups": 32, "scaling_factor": scale}
    return {"unet": unet_config(ShapesBelow(shapes, UNET), family, pooled), "vae": vae, **text}


class ShapesBelow(dict[str, tuple[int, ...]]):
    """The shapes whose names begin with a prefix, without it; a name that is missing is told with it."""

    def __init__(self, shapes: Shapes, prefix: str) -> None:
        super().__init__((name[len(prefix) :], shape) for name, shape in shapes.items() if name.startswith(prefix))
        self._prefix = prefix

    def __missing__(self, name: str) -> tuple[int, ...]:
        raise KeyError(self._prefix + name)


def unet_config(shapes: Shapes, family: Family, pooled: int | None) -> Config:
    widths: list[int] = []
    depths: list[int] = []
    while (name := f"input_blocks.{3 * len(widths) + 1}.0.out_layers.3.weight") in shapes:
        depths.append(_count(shapes, f"input_blocks.{3 * len(widths) + 1}.1.transformer_blocks"))
        widths.append(shapes[name][0])
    projections = [shape for name, shape in shapes.items() if name.endswith(".1.proj_in.weight")]
    config: Config = {
        "in_channels": shapes["input_blocks.0.0.weight"][1],
        "out_channels": shapes["out.2.weight"][0],
        "block_out_channels": tuple(widths),
        "layers_per_block": 2,
        "cross_attention_dim": next(
            shape[1] for name, shape in sorted(shapes.items()) if name.endswith("attn2.to_k.weight")
        ),
        "down_block_types": tuple("CrossAttnDownBlock2D" if depth else "DownBlock2D" for depth in depths),
        "up_block_types": tuple("CrossAttnUpBlock2D" if depth else "UpBlock2D" for depth in reversed(depths)),
        "attention_head_dim": 8,
        "norm_num_groups": 32,
    }
    if family == "sd1":
        return config
    config["use_linear_projection"] = all(len(shape) == 2 for shape in projections)
    config["attention_head_dim"] = tuple(max(1, width // CHANNELS_A_HEAD) for width in widths)
    if family == "sd2":
        return config | {"upcast_attention": True}
    labels = shapes["label_emb.0.0.weight"][1]
    if pooled is None or labels <= pooled or (labels - pooled) % SIZE_NUMBERS:
        raise ValueError(f"label_emb takes {labels} numbers, of which {pooled} can't be the pooled text")
    return config | {
        "transformer_layers_per_block": tuple(max(1, depth) for depth in depths),
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": (labels - pooled) // SIZE_NUMBERS,
        "projection_class_embeddings_input_dim": labels,
    }


def vae_config(shapes: Shapes) -> Config:
    """The configuration of a VAE in a file of its own or of a whole model, in Stability's layout or diffusers'."""
    shapes = ShapesBelow(shapes, VAE) or ShapesBelow(shapes, "")
    renamed = "encoder.down_blocks.0.resnets.0.conv2.weight" in shapes
    block = "down_blocks.{}.resnets" if renamed else "down.{}.block"
    widths: list[int] = []
    while (name := f"encoder.{block.format(len(widths))}.0.conv2.weight") in shapes:
        widths.append(shapes[name][0])
    return {
        "in_channels": shapes["encoder.conv_in.weight"][1],
        "out_channels": shapes["decoder.conv_out.weight"][0],
        "block_out_channels": tuple(widths),
        "layers_per_block": 2,
        "latent_channels": shapes["post_quant_conv.weight"][0],
        "down_block_types": ("DownEncoderBlock2D",) * len(widths),
        "up_block_types": ("UpDecoderBlock2D",) * len(widths),
    }


def clip_config(shapes: Shapes) -> Config:
    """The configuration of a text encoder in OpenAI's layout."""
    positions, width = shapes["embeddings.position_embedding.weight"]
    return _text_config(
        width=width,
        positions=positions,
        inner=shapes["encoder.layers.0.mlp.fc1.weight"][0],
        layers=_count(shapes, "encoder.layers"),
        vocabulary=shapes["embeddings.token_embedding.weight"][0],
    ) | {"projection_dim": width, "hidden_act": "quick_gelu", "pad_token_id": EOS}


def open_clip_config(shapes: Shapes) -> Config:
    """The configuration of a text encoder in OpenCLIP's layout, all its layers counted."""
    positions, width = shapes["positional_embedding"]
    return _text_config(
        width=width,
        positions=positions,
        inner=shapes["transformer.resblocks.0.mlp.c_fc.weight"][0],
        layers=_count(shapes, "transformer.resblocks"),
        vocabulary=shapes["token_embedding.weight"][0],
    ) | {
        "projection_dim": shapes.get("text_projection", (width, width))[1],
        "hidden_act": "gelu",
        "pad_token_id": 0,
    }


def _clip(shapes: Shapes, prefix: str) -> ShapesBelow:
    """OpenAI's tensors, whose names a few files write without `text_model.`."""
    return ShapesBelow(shapes, prefix + TEXT_MODEL) or ShapesBelow(shapes, prefix)


def _text_config(*, width: int, positions: int, inner: int, layers: int, vocabulary: int) -> Config:
    return {
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "max_position_embeddings": positions,
        "vocab_size": vocabulary,
        "num_attention_heads": max(1, width // CHANNELS_A_HEAD),
        "bos_token_id": BOS,
        "eos_token_id": EOS,
    }


def _count(shapes: Shapes, prefix: str) -> int:
    """How many numbered modules stand below a path; 0 when there is none."""
    number = re.compile(re.escape(prefix) + r"\.(\d+)\.")
    return 1 + max((int(found[1]) for name in shapes if (found := number.match(name))), default=-1)
