"""The layers of a base model's file that LoRAs go beside: what each is called in LoRA files, and where it lies."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sd_contract.base_models.base_model import BaseModel
from sd_contract.base_models.layouts import CLIP, OPEN_CLIP, TEXT_MODEL, UNET, Place
from sd_contract.base_models.model_shapes import Family, Shapes
from sd_contract.loras.names import TEXT, TEXT_1, TEXT_2, diffusers_name
from sd_contract.loras.names import UNET as LORA_UNET

WEIGHT = ".weight"
QUERY_KEY_VALUE = ("q_proj", "k_proj", "v_proj")
_ATTENTION = re.compile(
    r"(?:input_blocks|output_blocks)\.\d+\.1\.(?:proj_in|proj_out|transformer_blocks\..*)|"
    r"middle_block\.1\.(?:proj_in|proj_out|transformer_blocks\..*)"
)
_CLIP_LAYER = re.compile(r"(?:text_model\.)?(encoder\.layers\.\d+\.(?:self_attn|mlp)\.\w+)$")
_OPEN_CLIP_LAYER = re.compile(
    r"transformer\.resblocks\.(\d+)\.(attn\.in_proj_weight|attn\.out_proj|mlp\.c_fc|mlp\.c_proj)$"
)
_TEXT_LAYER = re.compile(r"lora_te1?_text_model_encoder_layers_(\d+)_")
_OPEN_CLIP_NAMES = {"attn.out_proj": "self_attn.out_proj", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}


@dataclass(frozen=True)
class Target:
    """One layer: where the file keeps its weight, its shape as a layer of its own, and its kind."""

    place: Place
    shape: tuple[int, ...]
    in_convolution_block: bool = False
    as_convolution: bool = False
    """LoRA files keep this linear layer's LoRA as that of a convolution of one pixel."""

    @property
    def has_large_kernel(self) -> bool:
        return len(self.shape) == 4 and self.shape[2:] != (1, 1)


def targets(base: BaseModel, shapes: Shapes) -> dict[str, Target]:
    """All layers of a model that a LoRA can change, by their names in LoRA files, in the order of the file's
    `shapes`. A text encoder's last layers that the model makes no use of are left out."""
    found: dict[str, Target] = {}
    for name, shape in shapes.items():
        found.update(_targets(name, shape, base.family))
    used = base.text_encoder["num_hidden_layers"]
    return {name: target for name, target in found.items() if not _is_unused(name, used)}


def by_tensor(layers: Mapping[str, Target]) -> dict[str, list[str]]:
    """The layers that each tensor of the file holds."""
    held: dict[str, list[str]] = {}
    for layer, target in layers.items():
        held.setdefault(target.place.name, []).append(layer)
    return held


def _targets(name: str, shape: tuple[int, ...], family: Family) -> Iterator[tuple[str, Target]]:
    if name.startswith(UNET):
        yield from _of_unet(name, shape, family)
    elif family in CLIP and name.startswith(CLIP[family]):
        yield from _of_clip(name, shape, CLIP[family], TEXT_1 if family == "sdxl" else TEXT)
    elif family in OPEN_CLIP and name.startswith(OPEN_CLIP[family]):
        yield from _of_open_clip(name, shape, family)


def _of_unet(name: str, shape: tuple[int, ...], family: Family) -> Iterator[tuple[str, Target]]:
    path = name.removeprefix(UNET).removesuffix(WEIGHT)
    if not name.endswith(WEIGHT) or len(shape) not in (2, 4):
        return
    in_attention = bool(_ATTENTION.match(path))
    if not in_attention and not _is_of_convolution_block(path):
        return
    layer = path.replace(".", "_")
    pixel = family == "sd2" and len(shape) == 2 and path.endswith((".proj_in", ".proj_out"))
    yield (
        LORA_UNET + (layer if family == "sdxl" else diffusers_name(layer)),
        Target(Place(name), shape, in_convolution_block=not in_attention, as_convolution=pixel),
    )


def _is_of_convolution_block(path: str) -> bool:
    """Residual blocks and what changes the size; the first layer, the last and the embeddings stay as they are."""
    return path.startswith(("input_blocks.", "middle_block.", "output_blocks.")) and path != "input_blocks.0.0"


def _of_clip(name: str, shape: tuple[int, ...], prefix: str, own: str) -> Iterator[tuple[str, Target]]:
    match = _CLIP_LAYER.match(name.removeprefix(prefix).removesuffix(WEIGHT))
    if match and name.endswith(WEIGHT):
        yield own + (TEXT_MODEL + match[1]).replace(".", "_"), Target(Place(name), shape)


def _of_open_clip(name: str, shape: tuple[int, ...], family: Family) -> Iterator[tuple[str, Target]]:
    match = _OPEN_CLIP_LAYER.match(name.removeprefix(OPEN_CLIP[family]).removesuffix(WEIGHT))
    if match is None or not _is_weight(name):
        return
    layer = f"{TEXT_2 if family == 'sdxl' else TEXT}text_model_encoder_layers_{match[1]}_"
    if match[2] in _OPEN_CLIP_NAMES:
        yield layer + _OPEN_CLIP_NAMES[match[2]].replace(".", "_"), Target(Place(name), shape)
        return
    for third, which in enumerate(QUERY_KEY_VALUE):
        yield f"{layer}self_attn_{which}", Target(Place(name, third), (shape[0] // 3, *shape[1:]))


def _is_unused(name: str, layers: int) -> bool:
    """Of the only or the first text encoder; SD2's file has one layer more than the model."""
    match = _TEXT_LAYER.match(name)
    return match is not None and int(match[1]) >= layers


def _is_weight(name: str) -> bool:
    return name.endswith((WEIGHT, ".in_proj_weight"))
