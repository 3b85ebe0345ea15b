"""The names that programs give the layers of a LoRA, and what each is called here: kohya's way, in which
SDXL's U-Net bears Stability's names and all others diffusers'."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from sd_contract.base_models.layouts import TEXT_MODEL, Rule, clip_path, unet_path
from sd_contract.tensors.tensor_names import ALPHA, DOWN, UP

Scheme = Literal["kohya", "kohya-diffusers", "peft"]
"""kohya's; the same as diffusers reads it best, with its names for SDXL's U-Net and SD2's layers linear; the
dotted names of diffusers and PEFT."""
UNET = "lora_unet_"
TEXT = "lora_te_"
TEXT_1, TEXT_2 = "lora_te1_", "lora_te2_"
LEVELS_OF_SDXL = (False, True, True)
"""Which levels of its U-Net have attention."""
OWN_PREFIXES = (UNET, TEXT, TEXT_1, TEXT_2)
DOTTED_PARTS = ("unet.", "text_encoder.", "text_encoder_2.")
WRAPPING = "base_model.model."
DOTTED_LEAVES: Mapping[str, str] = {
    ".lora_A.weight": DOWN,
    ".lora_B.weight": UP,
    ".lora_A.default.weight": DOWN,
    ".lora_B.default.weight": UP,
    ".lora.down.weight": DOWN,
    ".lora.up.weight": UP,
    ".lora_linear_layer.down.weight": DOWN,
    ".lora_linear_layer.up.weight": UP,
    "_lora.down.weight": DOWN,
    "_lora.up.weight": UP,
    ".lora_magnitude_vector": "dora_scale",
    ".alpha": ALPHA,
}
"""How names of PEFT and of diffusers, old and new, end."""


@dataclass(frozen=True)
class Key:
    """A tensor of a LoRA: which layer it belongs to, and which of its tensors it is, as kohya calls both."""

    layer: str
    leaf: str


def key_of(name: str, *, is_sdxl: bool) -> Key | None:
    """Whose tensor a name stands for, in a file of any scheme; None where it is none of a LoRA."""
    if name.startswith(OWN_PREFIXES):
        layer, _, leaf = name.partition(".")
        return Key(_with_own_name(layer, is_sdxl=is_sdxl), leaf)
    ending = next((end for end in DOTTED_LEAVES if name.endswith(end)), None)
    if ending is None:
        return None
    layer_path = _own_layer(name.removesuffix(ending), is_sdxl=is_sdxl)
    return Key(layer_path, DOTTED_LEAVES[ending]) if layer_path else None


def has_names_of_sdxl(names: Iterable[str]) -> bool:
    """Whether names tell by themselves that a LoRA is one for SDXL."""
    return any(_SDXL_ONLY.match(name) for name in names)


def has_names_of_stability(names: Iterable[str]) -> bool:
    """Whether a U-Net's layers bear Stability's names, as hardly any files but those for SDXL have them."""
    return any(_STABILITY_NAMES.match(name) for name in names)


def named(layer: str, scheme: Scheme) -> str:
    """What another scheme calls a layer; of the dotted ones with the model's part in front. ValueError for a layer
    that no U-Net or text encoder known here has."""
    if scheme == "kohya":
        return layer
    if scheme == "kohya-diffusers":
        return UNET + diffusers_name(layer.removeprefix(UNET)) if layer.startswith(UNET) else layer
    for prefix, part in zip(OWN_PREFIXES, ("unet", "text_encoder", "text_encoder", "text_encoder_2"), strict=True):
        if layer.startswith(prefix):
            return f"{part}.{dotted(diffusers_name(layer.removeprefix(prefix)))}"
    raise ValueError(layer)


def dotted(name: str) -> str:
    """The path of a module of diffusers' U-Net or a CLIP text encoder, of its name with underscores alone.
    ValueError where that is none."""
    path, place = [], 0
    while place < len(name):
        match = _SEGMENT.match(name, place)
        if match is None:
            raise ValueError(name)
        word, number, fixed = match.groups()
        path.append(f"{word}.{number}" if word else _FIXED[fixed])
        place = match.end()
    return ".".join(path)


def diffusers_name(name: str) -> str:
    """diffusers' name, with underscores, of a module that may bear Stability's."""
    for pattern, replacement in _TO_DIFFUSERS:
        name = pattern.sub(replacement, name)
    return name


def _with_own_name(layer: str, *, is_sdxl: bool) -> str:
    rest = layer.removeprefix(UNET)
    if rest == layer:
        return layer
    if not is_sdxl:
        return UNET + diffusers_name(rest)
    if not rest.startswith(("down_blocks_", "up_blocks_", "mid_block_", *_OUTSIDE_BLOCKS)):
        return layer
    try:
        return UNET + _stability_name(dotted(rest))
    except ValueError:
        return layer


def _own_layer(path: str, *, is_sdxl: bool) -> str | None:
    part = next((each for each in DOTTED_PARTS if path.startswith(each)), "")
    rest = path.removeprefix(part).removeprefix(WRAPPING)
    if not part and not rest.startswith(("down_blocks.", "mid_block.", "up_blocks.")):
        return None
    rest = _old_processor(rest)
    if part in ("", "unet."):
        return UNET + (_stability_name(rest) if is_sdxl else rest.replace(".", "_"))
    prefix = TEXT_2 if part == "text_encoder_2." else TEXT_1 if is_sdxl else TEXT
    return prefix + clip_path(rest.removeprefix(TEXT_MODEL)).replace(".", "_")


def _old_processor(path: str) -> str:
    """`attn1.processor.to_out` of old files is the module `attn1.to_out.0` of today."""
    path = path.replace(".processor.", ".")
    return f"{path}.0" if path.endswith(".to_out") else path


def _stability_name(path: str) -> str:
    return unet_path(path, LEVELS_OF_SDXL).replace(".", "_")


def _input(match: re.Match[str]) -> str:
    number, kind = int(match[1]) - 1, match[2]
    level, index = divmod(number, 3)
    if index == 2:
        return f"down_blocks_{level}_downsamplers_0"
    return f"down_blocks_{level}_{'resnets' if kind == '0' else 'attentions'}_{index}"


def _output(match: re.Match[str]) -> str:
    level, index = divmod(int(match[1]), 3)
    return f"up_blocks_{level}_{'resnets' if match[2] == '0' else 'attentions'}_{index}"


def _upsampler(match: re.Match[str]) -> str:
    return f"up_blocks_{int(match[1]) // 3}_upsamplers_0_conv"


_SDXL_ONLY = re.compile(
    r"lora_te[12]_|text_encoder_2\.|lora_unet_label_emb_|lora_unet_add_embedding_|.*transformer_blocks[_.][1-9]"
)
_STABILITY_NAMES = re.compile(r"lora_unet_(?:input_blocks|middle_block|output_blocks)_\d")
_OUTSIDE_BLOCKS = ("conv_in", "conv_out", "time_embedding_", "add_embedding_")
_FIXED = {
    fixed.replace(".", "_"): fixed
    for fixed in (
        *("mid_block", "attn1", "attn2", "to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2"),
        *(
            "proj_in",
            "proj_out",
            "conv1",
            "conv2",
            "conv_in",
            "conv_out",
            "conv",
            "time_emb_proj",
            "conv_shortcut",
        ),
        *(
            "time_embedding.linear_1",
            "time_embedding.linear_2",
            "add_embedding.linear_1",
            "add_embedding.linear_2",
        ),
        *("text_model", "encoder", "self_attn", "q_proj", "k_proj", "v_proj", "out_proj", "mlp", "fc1", "fc2"),
    )
}
_NUMBERED = (
    *("down_blocks", "up_blocks", "resnets", "attentions", "transformer_blocks", "downsamplers", "upsamplers"),
    "layers",
)
_SEGMENT = re.compile(
    rf"(?:({'|'.join(_NUMBERED)})_(\d+)|({'|'.join(sorted(_FIXED, key=len, reverse=True))}))(?:_|$)"
)
_AN_END = r"(?=_|$)"


def _rules(*pairs: tuple[str, str | Callable[[re.Match[str]], str]]) -> tuple[Rule, ...]:
    return tuple((re.compile(pattern + _AN_END), replacement) for pattern, replacement in pairs)


_IN_RESNET = r"^((?:input|output)_blocks_\d+_0|middle_block_[02])_"
_TO_DIFFUSERS = _rules(
    (r"^input_blocks_0_0", "conv_in"),
    (r"^out_2", "conv_out"),
    (r"^time_embed_0", "time_embedding_linear_1"),
    (r"^time_embed_2", "time_embedding_linear_2"),
    (r"^label_emb_0_0", "add_embedding_linear_1"),
    (r"^label_emb_0_2", "add_embedding_linear_2"),
    (r"^(input_blocks_\d+_0)_op", r"\1_conv"),
    (_IN_RESNET + "in_layers_2", r"\1_conv1"),
    (_IN_RESNET + "out_layers_3", r"\1_conv2"),
    (_IN_RESNET + "emb_layers_1", r"\1_time_emb_proj"),
    (_IN_RESNET + "skip_connection", r"\1_conv_shortcut"),
    (r"^output_blocks_(\d+)_[12]_conv", _upsampler),
    (r"^input_blocks_(\d+)_([01])", _input),
    (r"^output_blocks_(\d+)_([01])", _output),
    (r"^middle_block_0", "mid_block_resnets_0"),
    (r"^middle_block_1", "mid_block_attentions_0"),
    (r"^middle_block_2", "mid_block_resnets_1"),
)
