"""Layers in 8 bits: nearly the same numbers, a quarter of float32's memory, gradients of the rounded weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lora_engine.families.eight_bits import STORED, brought_out, keep_in_eight_bits
from sd_contract.errors import OptionError
from sd_contract.options import settings_from


def layers():
    torch.manual_seed(0)
    return {
        "linear": (nn.Linear(24, 16), torch.randn(3, 24)),
        "convolution": (nn.Conv2d(6, 8, 3, stride=2, padding=1), torch.randn(2, 6, 9, 9)),
        "one pixel, no bias": (nn.Conv2d(6, 8, 1, bias=False), torch.randn(2, 6, 5, 5)),
    }


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("kind", sorted(layers()))
def test_a_layer_in_eight_bits_computes_with_its_rounded_weight(kind, dtype):
    layer, x = layers()[kind]
    before = layer.weight.detach().clone()
    layer.to(dtype)
    keep_in_eight_bits(layer, dtype)
    rounded = brought_out(layer).float()
    assert layer.weight.dtype == STORED
    assert layer.weight.shape == before.shape
    assert ((rounded - before).norm() / before.norm()).item() < 0.04

    x, same = (x.to(dtype, copy=True).requires_grad_() for _ in range(2))
    y = layer(x)
    plain, _ = layers()[kind]
    plain = plain.to(dtype)
    plain.weight.data = rounded.to(dtype)
    wanted = plain(same)
    torch.testing.assert_close(y, wanted)
    y.square().sum().backward()
    wanted.square().sum().backward()
    torch.testing.assert_close(x.grad, same.grad)


def test_each_channel_has_a_scale_of_its_own():
    layer = nn.Linear(8, 2, bias=False)
    layer.weight.data[0], layer.weight.data[1] = 1e-5, 1e3
    keep_in_eight_bits(layer, torch.float32)

    torch.testing.assert_close(brought_out(layer)[:, 0], torch.tensor([1e-5, 1e3]))
    empty = nn.Linear(4, 4)
    nn.init.zeros_(empty.weight)
    keep_in_eight_bits(empty, torch.float32)
    assert brought_out(empty).eq(0).all()


def test_nothing_but_eight_bits_is_kept_for_the_backward_pass():
    layer = nn.Sequential(nn.Linear(512, 512, bias=False), nn.Linear(512, 512, bias=False))
    keep_in_eight_bits(layer, torch.bfloat16)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        layer(torch.randn(1, 512, dtype=torch.bfloat16, requires_grad=True))

    assert sum(t.numel() * t.element_size() for t in kept) < 1.1 * 2 * 512 * 512


@pytest.mark.parametrize("option", ["fp8_base", "fp8_base_unet"])
def test_eight_bits_need_a_format_to_compute_in(option):
    with pytest.raises(OptionError, match=r'it is "no"|which is "no"'):
        settings_from({option: True})
    assert settings_from({option: True, "mixed_precision": "bf16"}).get(option)
