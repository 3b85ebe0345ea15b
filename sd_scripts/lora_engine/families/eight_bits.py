"""Layers whose weights are kept in 8 bits and brought to the format of the computation each time they are used.

float8 e4m3 has three bits behind the point and reaches from 2^-9 to 448 (Micikevicius et al., arXiv 2209.05433);
each output channel is scaled so that its largest weight is 448, which loses least. Nothing but the 8 bits is kept
for the backward pass: the weights are brought out again there."""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.grad import conv2d_input

STORED = torch.float8_e4m3fn
LARGEST = 448.0


def keep_in_eight_bits(module: nn.Module, dtype: torch.dtype) -> None:
    """Keeps the linear and convolution layers in 8 bits from now on; they compute in `dtype`. The rest, such as
    norms and embeddings, is little and stays as it is."""
    for layer in module.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d)) and layer.weight.dtype != STORED:
            _store(layer, dtype)


@torch.no_grad()
def _store(layer: Any, dtype: torch.dtype) -> None:
    weight = layer.weight
    sides = tuple(range(1, weight.ndim))
    scale = (weight.float().abs().amax(sides, keepdim=True) / LARGEST).clamp(min=torch.finfo(torch.float32).tiny)
    stored = (weight.float() / scale).to(STORED)
    layer.weight = nn.Parameter(stored, requires_grad=False)
    layer.register_buffer("scale", scale.to(dtype), persistent=False)
    layer.forward = MethodType(_convolved if isinstance(layer, nn.Conv2d) else _linear, layer)


def brought_out(layer: Any) -> Tensor:
    """A layer's weight as numbers to compute with, in the format of its scale."""
    return _brought_out(layer.weight, layer.scale)


def _brought_out(stored: Tensor, scale: Tensor) -> Tensor:
    return stored.to(scale.dtype) * scale


def _linear(self: Any, x: Tensor) -> Tensor:
    apply: Any = _Linear.apply
    y: Tensor = apply(x.to(self.scale.dtype), self.weight, self.scale, self.bias)
    return y


def _convolved(self: Any, x: Tensor) -> Tensor:
    how = (self.stride, self.padding, self.dilation, self.groups)
    apply: Any = _Convolution.apply
    y: Tensor = apply(x.to(self.scale.dtype), self.weight, self.scale, self.bias, how)
    return y


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, stored: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(stored, scale)
        return F.linear(x, _brought_out(stored, scale), None if bias is None else bias.to(x.dtype))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        return gradients[0] @ _brought_out(*ctx.saved_tensors), None, None, None


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, stored: Tensor, scale: Tensor, bias: Tensor | None, how: Any) -> Tensor:
        ctx.save_for_backward(stored, scale)
        ctx.how, ctx.shape = how, x.shape
        weight = _brought_out(stored, scale)
        return F.conv2d(x, weight, None if bias is None else bias.to(x.dtype), *how)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        weight = _brought_out(*ctx.saved_tensors)
        gradient = conv2d_input(ctx.shape, weight, gradients[0], *ctx.how)  # type: ignore[no-untyped-call]
        return gradient, None, None, None, None
