"""Where the layers of a U-Net and of text encoders are that a network of LyCORIS can change, and what their
tensors are called and shaped like in files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from lora_engine.networks.lora import levels_of_sdxl
from sd_contract.base_models.layouts import clip_path, unet_path
from sd_contract.lycoris.plan import Kind, Seat
from sd_contract.tensors.tensor_names import Part, lora_name

Layer = nn.Linear | nn.Conv2d | nn.LayerNorm | nn.GroupNorm
PIXEL_LEAVES = frozenset(
    {"lora_down.weight", "lora_up.weight", "lokr_w2", "diff", "dora_scale", "rescale"}
    | {f"{name}.weight" for name in ("a1", "a2", "b1", "b2")}
)
"""Leaves that have a kernel where their layer is a convolution."""


@dataclass(frozen=True, kw_only=True)
class SeatedLayer:
    """A layer that can be changed, and where it hangs in the model."""

    seat: Seat
    name: str
    layer: Layer
    parent: nn.Module
    attribute: str
    as_convolution: bool = False
    """Files keep this linear layer's tensors as those of a convolution of one pixel."""


def seated_layers(unet: nn.Module | None, text_encoder: nn.Module | None) -> dict[str, SeatedLayer]:
    """All layers by their names in files; a model given as None is left out."""
    roots: Mapping[Part, nn.Module | None] = {"text_encoder": text_encoder, "unet": unet}
    return {one.name: one for part, root in roots.items() if root is not None for one in _layers(part, root)}


def as_convolution(leaf: str, tensor: Tensor) -> Tensor:
    """A linear layer's tensor as that of a convolution of one pixel."""
    if leaf == "weight":
        return tensor.reshape(1, -1, 1, 1)
    return tensor[..., None, None] if leaf in PIXEL_LEAVES and tensor.ndim == 2 else tensor


def as_layer(leaf: str, tensor: Tensor, layer: Layer) -> Tensor:
    """A file's tensor in the shape it has for this layer: files keep linear layers as convolutions of one pixel,
    or the other way round."""
    if isinstance(layer, nn.Linear) and tensor.ndim == 4 and tensor.shape[2:] == (1, 1):
        flat = tensor[..., 0, 0]
        return flat.reshape(-1) if leaf == "weight" else flat
    return as_convolution(leaf, tensor) if isinstance(layer, nn.Conv2d) and tensor.ndim <= 2 else tensor


def _layers(part: Part, root: nn.Module) -> Iterator[SeatedLayer]:
    levels = levels_of_sdxl(root) if part == "unet" else ()
    modules = dict(root.named_modules())
    for path, layer in modules.items():
        kind = _kind(layer)
        if kind is None or not isinstance(layer, Layer):
            continue
        parent, _, attribute = path.rpartition(".")
        around = [".".join(path.split(".")[:depth]) for depth in range(1, path.count(".") + 2)]
        within = tuple((_path(part, each, levels), type(modules[each]).__name__) for each in around)
        yield SeatedLayer(
            seat=Seat(part=part, path=_path(part, path, levels), kind=kind, within=within),
            name=lora_name(part, path, levels),
            layer=layer,
            parent=modules[parent],
            attribute=attribute,
            as_convolution=not levels and isinstance(layer, nn.Linear) and attribute in ("proj_in", "proj_out"),
        )


def _path(part: Part, path: str, levels: tuple[bool, ...]) -> str:
    if part == "unet":
        return unet_path(path, levels) if levels else path
    number, _, rest = path.partition(".")
    return clip_path(rest if number.isdecimal() else path)


def _kind(layer: nn.Module) -> Kind | None:
    if isinstance(layer, nn.Linear):
        return "linear"
    if isinstance(layer, nn.Conv2d):
        return "pixel" if layer.kernel_size == (1, 1) else "convolution"
    is_norm = isinstance(layer, (nn.LayerNorm, nn.GroupNorm))
    return "norm" if is_norm and layer.weight is not None else None
