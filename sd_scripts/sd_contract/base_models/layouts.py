"""What single-file checkpoints call the tensors and modules that diffusers and transformers have names of
their own for: Stability's layout of the U-Net and the VAE, OpenAI's and OpenCLIP's of the text encoders.
Knows names alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

UNET = "model.diffusion_model."
VAE = "first_stage_model."
CLIP = {"sd1": "cond_stage_model.transformer.", "sdxl": "conditioner.embedders.0.transformer."}
OPEN_CLIP = {"sd2": "cond_stage_model.model.", "sdxl": "conditioner.embedders.1.model."}
TEXT_MODEL = "text_model."

Rule = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]


@dataclass(frozen=True)
class Place:
    """Where a file keeps a tensor: under which name, in which third of its rows, turned on its side or not."""

    name: str
    third: int | None = None
    transposed: bool = False


def unet_path(path: str, attention_levels: Sequence[bool]) -> str:
    """Stability's path of a diffusers U-Net module or tensor. `attention_levels` tells of each level, widest
    picture first, whether it has attention: behind attention the upsampler has another number."""

    def upsampler(match: re.Match[str]) -> str:
        level = int(match[1])
        number = 2 if attention_levels[len(attention_levels) - 1 - level] else 1
        return f"output_blocks.{3 * level + 2}.{number}"

    for pattern, replacement in (*UNET_RULES, (UPSAMPLER, upsampler)):
        path = pattern.sub(replacement, path)
    return path


def vae_path(path: str, levels: int) -> str:
    """Stability's path of a tensor of diffusers' AutoencoderKL."""

    def decoder_level(match: re.Match[str]) -> str:
        return f"decoder.up.{levels - 1 - int(match[1])}."

    for pattern, replacement in (*VAE_RULES, (DECODER_LEVEL, decoder_level)):
        path = pattern.sub(replacement, path)
    return path


def clip_path(path: str) -> str:
    """OpenAI's path of a tensor of transformers' CLIPTextModel, whose newer classes leave `text_model.` out."""
    return TEXT_MODEL + path.removeprefix(TEXT_MODEL)


def open_clip_place(path: str) -> Place:
    """OpenCLIP's place for a tensor of transformers' CLIP text model: it keeps queries, keys and values in one
    tensor."""
    path = path.removeprefix(TEXT_MODEL)
    if path == "text_projection.weight":
        return Place("text_projection", transposed=True)
    if fused := QUERY_KEY_VALUE.match(path):
        layer, which, kind = fused.groups()
        return Place(f"transformer.resblocks.{layer}.attn.in_proj_{kind}", third="qkv".index(which))
    for pattern, replacement in OPEN_CLIP_RULES:
        path = pattern.sub(replacement, path)
    return Place(path)


def _block(kind: str, per_level: int) -> Callable[[re.Match[str]], str]:
    numbers = {"resnets": 0, "attentions": 1}

    def path(match: re.Match[str]) -> str:
        level, part, index = int(match[1]), match[2], int(match[3])
        return f"{kind}_blocks.{3 * level + index + per_level}.{numbers[part]}"

    return path


def _rules(*pairs: tuple[str, str | Callable[[re.Match[str]], str]]) -> tuple[Rule, ...]:
    return tuple((re.compile(pattern), replacement) for pattern, replacement in pairs)


IN_RESNET = r"(_blocks\.\d+\.0|middle_block\.[02])\."
UPSAMPLER = re.compile(r"^up_blocks\.(\d+)\.upsamplers\.0(?=\.|$)")
DECODER_LEVEL = re.compile(r"^decoder\.up_blocks\.(\d+)\.")
QUERY_KEY_VALUE = re.compile(r"^encoder\.layers\.(\d+)\.self_attn\.([qkv])_proj\.(weight|bias)$")

UNET_RULES = _rules(
    (r"^time_embedding\.linear_1(?=\.|$)", "time_embed.0"),
    (r"^time_embedding\.linear_2(?=\.|$)", "time_embed.2"),
    (r"^add_embedding\.linear_1(?=\.|$)", "label_emb.0.0"),
    (r"^add_embedding\.linear_2(?=\.|$)", "label_emb.0.2"),
    (r"^conv_in(?=\.|$)", "input_blocks.0.0"),
    (r"^conv_norm_out(?=\.|$)", "out.0"),
    (r"^conv_out(?=\.|$)", "out.2"),
    (r"^down_blocks\.(\d+)\.(resnets|attentions)\.(\d+)(?=\.|$)", _block("input", 1)),
    (
        r"^down_blocks\.(\d+)\.downsamplers\.0\.conv(?=\.|$)",
        lambda match: f"input_blocks.{3 * int(match[1]) + 3}.0.op",
    ),
    (r"^up_blocks\.(\d+)\.(resnets|attentions)\.(\d+)(?=\.|$)", _block("output", 0)),
    (r"^mid_block\.resnets\.0(?=\.|$)", "middle_block.0"),
    (r"^mid_block\.attentions\.0(?=\.|$)", "middle_block.1"),
    (r"^mid_block\.resnets\.1(?=\.|$)", "middle_block.2"),
    (IN_RESNET + r"norm1(?=\.|$)", r"\1.in_layers.0"),
    (IN_RESNET + r"conv1(?=\.|$)", r"\1.in_layers.2"),
    (IN_RESNET + r"time_emb_proj(?=\.|$)", r"\1.emb_layers.1"),
    (IN_RESNET + r"norm2(?=\.|$)", r"\1.out_layers.0"),
    (IN_RESNET + r"conv2(?=\.|$)", r"\1.out_layers.3"),
    (IN_RESNET + r"conv_shortcut(?=\.|$)", r"\1.skip_connection"),
)
VAE_RULES = _rules(
    (r"conv_shortcut\.", "nin_shortcut."),
    (r"conv_norm_out\.", "norm_out."),
    (r"mid_block\.resnets\.0\.", "mid.block_1."),
    (r"mid_block\.resnets\.1\.", "mid.block_2."),
    (r"mid_block\.attentions\.0\.group_norm\.", "mid.attn_1.norm."),
    (r"mid_block\.attentions\.0\.to_([qkv])\.", r"mid.attn_1.\1."),
    (r"mid_block\.attentions\.0\.to_out\.0\.", "mid.attn_1.proj_out."),
    (r"^encoder\.down_blocks\.(\d+)\.", r"encoder.down.\1."),
    (r"\.resnets\.(\d+)\.", r".block.\1."),
    (r"\.(down|up)samplers\.0\.", r".\1sample."),
)
OPEN_CLIP_RULES = _rules(
    (r"^embeddings\.token_embedding\.", "token_embedding."),
    (r"^embeddings\.position_embedding\.weight$", "positional_embedding"),
    (r"^final_layer_norm\.", "ln_final."),
    (r"^encoder\.layers\.(\d+)\.", r"transformer.resblocks.\1."),
    (r"\.layer_norm([12])\.", r".ln_\1."),
    (r"\.mlp\.fc1\.", ".mlp.c_fc."),
    (r"\.mlp\.fc2\.", ".mlp.c_proj."),
    (r"\.self_attn\.out_proj\.", ".attn.out_proj."),
)
