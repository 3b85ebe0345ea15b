"""Several LoRAs made one: exactly, side by side; by kohya's formulas; or as the best approximation of a rank."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lora_engine.output.reporting import Reporter
from lora_engine.tools.layers import Layer
from lora_engine.tools.lora_files import Lora
from lora_engine.tools.progress import told
from lora_engine.tools.truncation import Spectrum, exact, rank_for
from sd_contract.errors import CheckpointError
from sd_contract.loras.blocks import Weights, weight_of
from sd_contract.tensors.tensor_names import ALPHA, DOWN, UP

Tensors = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Share:
    """One LoRA of those that are merged: how strongly it acts, as a whole and block by block."""

    lora: Lora
    ratio: float
    blocks: Weights | None = None

    def strength(self, name: str) -> float:
        """What the change of a layer is multiplied with."""
        return self.ratio * self.block_weight(name)

    def block_weight(self, name: str) -> float:
        return weight_of(name, self.blocks, is_sdxl=self.lora.is_sdxl) if self.blocks else 1.0


def side_by_side(shares: Sequence[Share], reporter: Reporter) -> Tensors:
    """The LoRA whose change is the sum of all changes, each as strong as asked: the ranks add up, `up` takes each
    one's strength, and alpha is the new rank, so that nothing scales it again."""
    tensors: Tensors = {}
    for name in told(_names(shares), reporter, "merging"):
        of_layer = [
            (share.strength(name), share.lora.layers[name]) for share in shares if name in share.lora.layers
        ]
        ups, downs = zip(*(_scaled(layer, strength) for strength, layer in of_layer), strict=True)
        _refuse_other_shapes(name, of_layer)
        put(tensors, name, torch.cat(ups, 1), torch.cat(downs, 0), sum(layer.rank for _, layer in of_layer))
    return tensors


def approximated(
    shares: Sequence[Share],
    rank: int,
    large_rank: int,
    reporter: Reporter,
    *,
    clamp_quantile: float = 1.0,
    device: str = "cpu",
) -> Tensors:
    """The LoRA of a rank whose change is as near to the sum of all changes as one of that rank can be.
    `large_rank` is for convolutions with kernels wider than 1."""
    tensors: Tensors = {}
    for name in told(_names(shares), reporter, "merging"):
        of_layer = [
            (share.strength(name), share.lora.layers[name]) for share in shares if name in share.lora.layers
        ]
        _refuse_other_shapes(name, of_layer)
        ups, downs = zip(*(_scaled(layer, strength) for strength, layer in of_layer), strict=True)
        down = torch.cat(downs, 0)
        up = torch.cat(ups, 1).flatten(1)
        spectrum = _spectrum(exact(up, device), exact(down.flatten(1), device), is_cut=clamp_quantile < 1)
        kept = rank_for(spectrum, large_rank if has_large_kernel(down) else rank)
        new_up, new_down = (part.cpu().float() for part in spectrum.factors(kept, clamp_quantile))
        put(tensors, name, new_up, new_down.reshape(kept, *down.shape[1:]), kept)
    return tensors


def _spectrum(up: Tensor, down: Tensor, *, is_cut: bool) -> Spectrum:
    """Where numbers are cut, the whole matrix is decomposed in 32 bits, as kohya does: the signs of singular
    vectors are nobody's choice, but where the cut lies hangs on them."""
    return Spectrum.of((up @ down).float()) if is_cut else Spectrum.of_factors(up, down)


def as_kohya(shares: Sequence[Share], reporter: Reporter, *, concat: bool, shuffle: bool) -> Tensors:
    """What kohya's merge_lora.py makes: both weights take the root of the alphas' quotient and the whole ratio,
    which so counts twice; added up they mix with each other, and set side by side they keep the first alpha."""
    tensors: Tensors = {}
    order = torch.Generator().manual_seed(0)
    for name in told(_names(shares), reporter, "merging"):
        present = [share for share in shares if name in share.lora.layers]
        base_alpha = present[0].lora.layers[name].alpha
        parts = [_kohya_parts(share, name, base_alpha) for share in present]
        if not concat and len({part.shape for _, part in parts}) > 1:
            raise CheckpointError(
                f"{name!r} has different ranks, which can't be added up. Use --concat, --exact, or resize one."
            )
        _refuse_other_shapes(name, [(1.0, share.lora.layers[name]) for share in present])
        up = torch.cat([up for up, _ in parts], 1) if concat else sum_of([up for up, _ in parts])
        down = torch.cat([down for _, down in parts], 0) if concat else sum_of([down for _, down in parts])
        if shuffle:
            places = torch.randperm(down.shape[0], generator=order)
            up, down = up[:, places], down[places]
        put(tensors, name, up, down, base_alpha)
    return tensors


def put(tensors: Tensors, name: str, up: Tensor, down: Tensor, alpha: float) -> None:
    """Adds a layer's three tensors; of a convolution `up` is one of one pixel."""
    tensors[f"{name}.{UP}"] = up if up.ndim == down.ndim else up[..., None, None]
    tensors[f"{name}.{DOWN}"] = down
    tensors[f"{name}.{ALPHA}"] = torch.tensor(float(alpha))


def has_large_kernel(down: Tensor) -> bool:
    return down.ndim == 4 and down.shape[2:] != (1, 1)


def sum_of(tensors: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(tensors)).sum(0)


def ranks_of(tensors: Mapping[str, Tensor]) -> list[int]:
    return [tensor.shape[0] for name, tensor in tensors.items() if name.endswith(DOWN)]


def alphas_of(tensors: Mapping[str, Tensor]) -> list[float]:
    return [float(tensor) for name, tensor in tensors.items() if name.endswith(f".{ALPHA}")]


def refuse_other_kinds(loras: Sequence[Lora], what: str) -> None:
    """CheckpointError for a LoRA with layers that are no product of two matrices."""
    for lora in loras:
        other = next((layer for layer in lora.layers.values() if not layer.is_plain), None)
        if other is not None:
            raise CheckpointError(
                f"{lora.path} is no plain LoRA ({other.name} is {other.kind_name}): {what} are plain LoRAs only. "
                "It can be merged into a base model."
            )


def _names(shares: Sequence[Share]) -> Collection[str]:
    return dict.fromkeys(name for share in shares for name in share.lora.layers)


def _scaled(layer: Layer, strength: float) -> tuple[Tensor, Tensor]:
    return layer.up * (strength * layer.scale), layer.down


def _kohya_parts(share: Share, name: str, base_alpha: float) -> tuple[Tensor, Tensor]:
    layer = share.lora.layers[name]
    scale = math.sqrt(layer.alpha / base_alpha) * share.ratio
    weight = share.block_weight(name)
    return layer.up * (abs(scale) * weight), layer.down * (scale * weight)


def _refuse_other_shapes(name: str, of_layer: Sequence[tuple[float, Layer]]) -> None:
    sizes = {(layer.up.shape[0], *layer.down.shape[1:]) for _, layer in of_layer}
    if len(sizes) > 1:
        raise CheckpointError(
            f"{name!r} is made for layers of different shapes: {' and '.join(map(str, sorted(sizes)))}. These "
            "LoRAs were trained on different kinds of base models."
        )
