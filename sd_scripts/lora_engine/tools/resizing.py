"""A LoRA at another rank: of each layer the largest singular values are kept, and the strength stays as it was."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from lora_engine.output.reporting import Reporter
from lora_engine.tools.lora_files import Lora
from lora_engine.tools.merging import Tensors, put
from lora_engine.tools.progress import told
from lora_engine.tools.truncation import Method, Spectrum, exact, rank_for


@dataclass(frozen=True, kw_only=True)
class NewSize:
    """The rank wanted, and how it is found: without a method every layer has it, with one it is the limit.
    `conv_rank` is for convolutions, those of one pixel too, as in kohya's tool."""

    rank: int
    conv_rank: int
    method: Method | None = None
    parameter: float = 0.0


@dataclass(frozen=True)
class Resized:
    """What became of one layer. `kept` is the share of its change's length that is left."""

    name: str
    rank: int
    alpha: float
    kept: float


def resized(lora: Lora, size: NewSize, reporter: Reporter, device: str = "cpu") -> tuple[Tensors, list[Resized]]:
    """The tensors, and what became of each layer. alpha / rank stays, so that the strength does."""
    tensors: Tensors = {}
    told_of: list[Resized] = []
    for name in told(lora.layers, reporter, "resizing"):
        layer = lora.layers[name]
        up, down = layer.factors
        spectrum = Spectrum.of_factors(exact(up, device), exact(down, device))
        limit = size.conv_rank if layer.down.ndim == 4 else size.rank
        rank = rank_for(spectrum, limit, size.method, size.parameter)
        new_up, new_down = (part.cpu().float() for part in spectrum.factors(rank))
        put(tensors, name, new_up, new_down.reshape(rank, *layer.down.shape[1:]), layer.scale * rank)
        told_of.append(Resized(name, rank, layer.scale * rank, spectrum.kept_share(rank)))
    return tensors, told_of


def largest_rank(lora: Lora) -> int:
    return max(layer.rank for layer in lora.layers.values())


def mean_and_spread(told_of: list[Resized]) -> tuple[float, float]:
    """Of the shares that were kept."""
    shares = torch.tensor([each.kept for each in told_of], dtype=torch.float64)
    return float(shares.mean()), math.sqrt(float(shares.var(correction=0)))
