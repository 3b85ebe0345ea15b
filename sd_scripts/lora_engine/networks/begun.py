"""The tensors of a layer in a network of LyCORIS before its first step: drawn as LyCORIS draws them, so that the
layer changes nothing yet."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from lora_engine.maths.streams import Streams
from lora_engine.networks.seats import Layer
from sd_contract.lycoris.plan import Wanted
from sd_contract.lycoris.tensors import MID, SCALAR, norm_shapes, tensor_shapes
from sd_contract.tensors.tensor_names import DOWN, UP

Draw = Callable[[Tensor, torch.Generator], object]


def new_leaves(
    layer: Layer, name: str, wanted: Wanted, streams: Streams, dtype: torch.dtype = torch.float32
) -> dict[str, Tensor]:
    """The tensors that training moves, where the layer is; hollow ones for a hollow layer. OptionError when its
    method can't split the layer."""
    weight, bias = layer.weight, layer.bias
    if wanted.method is None:
        shapes = norm_shapes(tuple(weight.shape), has_bias=bias is not None)
    else:
        shapes = tensor_shapes(wanted.method, wanted.rank.rank, tuple(weight.shape), has_bias=bias is not None)
    if weight.is_meta:
        return {leaf: torch.empty(shape, device="meta") for leaf, shape in shapes.items()}
    leaves = {leaf: torch.zeros(shape) for leaf, shape in shapes.items()}
    generator = streams.generator("init", name)
    for leaf, tensor in leaves.items():
        if leaf in _DRAWS and (SCALAR in leaves or leaf not in ZERO):
            _DRAWS[leaf](tensor, generator)
    if "dora_scale" in leaves:
        leaves["dora_scale"] = _lengths(weight, shapes["dora_scale"])
    return {leaf: tensor.to(weight.device, dtype) for leaf, tensor in leaves.items()}


def _lengths(weight: Tensor, shape: tuple[int, ...]) -> Tensor:
    others = [side for side, size in enumerate(shape) if size == 1]
    lengths: Tensor = torch.linalg.vector_norm(weight.detach().float(), dim=others, keepdim=True)
    return lengths


def _uniform(tensor: Tensor, generator: torch.Generator) -> object:
    return nn.init.kaiming_uniform_(tensor, a=math.sqrt(5), generator=generator)


def _normal(tensor: Tensor, generator: torch.Generator, std: float) -> object:
    return tensor.normal_(0.0, std, generator=generator)


def _ones(tensor: Tensor, generator: torch.Generator) -> object:
    return tensor.fill_(1.0)


ZERO = frozenset({UP, "hada_w2_a", "lokr_w2", "lokr_w2_b", "a2.weight", "b2.weight"})
"""Tensors that begin with 0 where no scalar does."""
_DRAWS: Mapping[str, Draw] = {
    **dict.fromkeys((DOWN, MID, UP, "a1.weight", "a2.weight", "b1.weight", "b2.weight"), _uniform),
    **dict.fromkeys(("hada_w1_b", "hada_w2_b"), partial(_normal, std=1.0)),
    **dict.fromkeys(("hada_w1_a", "hada_w2_a", "hada_t1", "hada_t2"), partial(_normal, std=0.1)),
    **dict.fromkeys(
        ("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2"), _uniform
    ),
    "rescale": _ones,
}
