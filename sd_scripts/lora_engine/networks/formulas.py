"""What networks of LyCORIS add to a layer's weight, each by its formula: from the tensors of one layer by their
names in a file ("leaves"), and the layer's own weight.

Weights are [out, in] or [out, in, height, width]; r is the rank. Everything is differentiable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sd_contract.lycoris_tensors import MID
from sd_contract.tensors.tensor_names import ALPHA, DOWN, UP

Leaves = Mapping[str, Tensor]
ON_INPUT = "on_input"
CONSTANT = (ALPHA, ON_INPUT)
"""Leaves that are numbers to read, wherever they lie, and never learn."""


@dataclass(frozen=True)
class Formula:
    """One way to change a weight. `limited` are the leaves that `scale_weight_norms` shrinks; where they multiply
    each other the change has the `degree` of their number."""

    change: Callable[[Leaves, Tensor], Tensor]
    limited: tuple[str, ...]
    degree: int | None = None

    def limited_in(self, leaves: Leaves) -> tuple[list[str], int]:
        found = [leaf for leaf in self.limited if leaf in leaves]
        return found, self.degree or len(found)


def formula_of(leaves: Leaves) -> Formula | None:
    """The formula that a layer's leaves belong to; None when none is known."""
    for sign, formula in FORMULAS.items():
        if sign in leaves:
            return BUTTERFLY if formula is BLOCKS and leaves[sign].ndim == 4 else formula
    return None


def weight_change(leaves: Leaves, weight: Tensor) -> Tensor:
    """What the layer at strength 1 adds to the weight, in the weight's shape and the leaves' number format."""
    formula = formula_of(leaves)
    assert formula is not None, f"leaves of no known network: {', '.join(leaves)}"
    weight = weight.to(next(leaf.dtype for name, leaf in leaves.items() if name not in CONSTANT))
    change = formula.change(leaves, weight)
    return _decomposed(change, leaves["dora_scale"], weight) if "dora_scale" in leaves else change


def _decomposed(change: Tensor, length: Tensor, weight: Tensor) -> Tensor:
    """DoRA (Liu et al., arXiv 2402.09353): the direction of W + change at lengths of their own, measured along the
    side that `length` tells."""
    merged = weight + change
    others = [side for side, size in enumerate(length.shape) if size == 1]
    norm = torch.linalg.vector_norm(merged, dim=others, keepdim=True) + torch.finfo(merged.dtype).eps
    decomposed: Tensor = merged * (length / norm)
    return decomposed - weight


def _scale(leaves: Leaves, rank: int) -> float:
    """A missing alpha is the rank, as all programs that load LoRAs agree."""
    return float(leaves[ALPHA]) / rank if ALPHA in leaves else 1.0


def _locon(leaves: Leaves, weight: Tensor) -> Tensor:
    down, up = leaves[DOWN].flatten(1), leaves[UP].flatten(1)
    if MID in leaves:
        change = torch.einsum("or,rskl,si->oikl", up, leaves[MID], down)
    else:
        change = (up @ down).reshape(weight.shape)
    return change * _scale(leaves, leaves[DOWN].shape[0])


def _loha(leaves: Leaves, weight: Tensor) -> Tensor:
    """LoHa (Hyeon-Woo et al., arXiv 2108.06098): two low-rank matrices multiplied number by number."""
    change = _half_of_loha(leaves, "1") * _half_of_loha(leaves, "2")
    return change.reshape(weight.shape) * _scale(leaves, leaves["hada_w1_b"].shape[0])


def _half_of_loha(leaves: Leaves, which: str) -> Tensor:
    a, b = leaves[f"hada_w{which}_a"], leaves[f"hada_w{which}_b"]
    if f"hada_t{which}" not in leaves:
        return a @ b
    return torch.einsum("rskl,ro,si->oikl", leaves[f"hada_t{which}"], a, b)


def _lokr(leaves: Leaves, weight: Tensor) -> Tensor:
    """LoKr (Yeh et al., arXiv 2309.14859): a Kronecker product. Where both its matrices are whole, alpha means
    nothing."""
    first, second = _half_of_lokr(leaves, "1"), _half_of_lokr(leaves, "2")
    kernel = weight.shape[2:]
    second = second.reshape(second.shape[0], weight.shape[1] // first.shape[1], *kernel)
    change = torch.kron(first.reshape(*first.shape, *(1 for _ in kernel)), second.contiguous())
    inner = next((leaves[leaf] for leaf in ("lokr_w2_b", "lokr_w1_b") if leaf in leaves), None)
    return change if inner is None else change * _scale(leaves, inner.shape[0])


def _half_of_lokr(leaves: Leaves, which: str) -> Tensor:
    if f"lokr_w{which}" in leaves:
        return leaves[f"lokr_w{which}"]
    a, b = leaves[f"lokr_w{which}_a"], leaves[f"lokr_w{which}_b"]
    if f"lokr_t{which}" in leaves:
        return torch.einsum("rskl,ro,si->oikl", leaves[f"lokr_t{which}"], a, b)
    return a @ b.flatten(1)


def _full(leaves: Leaves, weight: Tensor) -> Tensor:
    return leaves["diff"].reshape(weight.shape)


def _ia3(leaves: Leaves, weight: Tensor) -> Tensor:
    """(IA)3 (Liu et al., arXiv 2205.05638): inputs or outputs of a layer are stretched."""
    on_input = bool(leaves[ON_INPUT])
    side = [1] * weight.ndim
    side[1 if on_input else 0] = -1
    return weight * leaves["weight"].reshape(side)


def _glora(leaves: Leaves, weight: Tensor) -> Tensor:
    """GLoRA (Chavan et al., arXiv 2306.07967), of it what LyCORIS has: W a1 a2 + b1 b2."""
    a1, a2, b1, b2 = (leaves[f"{name}.weight"].flatten(1) for name in ("a1", "a2", "b1", "b2"))
    turned = torch.einsum("oi...,ir,rj->oj...", weight, a1, a2)
    return (turned + (b1 @ b2).reshape(weight.shape)) * _scale(leaves, b1.shape[1])


def _diag_oft(leaves: Leaves, weight: Tensor) -> Tensor:
    """OFT (Qiu et al., arXiv 2306.07280): blocks of outputs are rotated."""
    rotation = _rotations(leaves, weight)
    blocks = weight.reshape(*rotation.shape[:2], -1)
    rotated = torch.einsum("knm,knx->kmx", rotation, blocks).reshape(weight.shape)
    return _rescaled(leaves, rotated) - weight


def _boft(leaves: Leaves, weight: Tensor) -> Tensor:
    """BOFT (Liu et al., arXiv 2311.06243): rotations in stages, each of outputs twice as far apart."""
    rotated, size = weight.flatten(1), leaves["oft_blocks"].shape[-1]
    for stage, rotation in enumerate(_rotations(leaves, weight)):
        near = 2**stage * (size // 2)
        mixed = rotated.reshape(-1, 2, near, rotated.shape[1]).transpose(1, 2).reshape(-1, size, rotated.shape[1])
        mixed = torch.einsum("kij,kjx->kix", rotation, mixed)
        rotated = mixed.reshape(-1, near, 2, rotated.shape[1]).transpose(1, 2).reshape(rotated.shape)
    return _rescaled(leaves, rotated.reshape(weight.shape)) - weight


def _rotations(leaves: Leaves, weight: Tensor) -> Tensor:
    """Cayley's transform (I + q)(I - q)^-1 of the antisymmetric part of each block; with a constraint q as a whole
    is no longer than that times the outputs."""
    blocks = leaves["oft_blocks"]
    q = blocks - blocks.transpose(-1, -2)
    longest = float(leaves[ALPHA]) * weight.shape[0] if ALPHA in leaves else 0.0
    if longest > 0:
        q = q * (longest / (torch.linalg.vector_norm(q) + 1e-8)).clamp(max=1.0)
    one = torch.eye(q.shape[-1], dtype=q.dtype, device=q.device)
    rotations: Tensor = torch.linalg.solve(one - q, one + q, left=False)
    return rotations


def _rescaled(leaves: Leaves, weight: Tensor) -> Tensor:
    return (
        weight * leaves["rescale"].reshape(-1, *(1 for _ in weight.shape[1:])) if "rescale" in leaves else weight
    )


def _norm(leaves: Leaves, weight: Tensor) -> Tensor:
    return leaves["w_norm"]


BLOCKS, BUTTERFLY = Formula(_diag_oft, ("oft_blocks",)), Formula(_boft, ("oft_blocks",))
LOKR = ("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2")
LOHA = ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2")
FORMULAS: Mapping[str, Formula] = {
    DOWN: Formula(_locon, (DOWN, MID, UP)),
    "hada_w1_a": Formula(_loha, LOHA),
    "lokr_w1": Formula(_lokr, LOKR),
    "lokr_w1_a": Formula(_lokr, LOKR),
    "diff": Formula(_full, ("diff",)),
    ON_INPUT: Formula(_ia3, ("weight",)),
    "a1.weight": Formula(_glora, ("a2.weight", "b2.weight"), degree=1),
    "oft_blocks": BLOCKS,
    "w_norm": Formula(_norm, ()),
}
"""By a leaf that no other has."""
BIASES = ("diff_b", "b_norm")
"""Leaves that are added to a layer's bias."""


def bias_change(leaves: Leaves) -> Tensor | None:
    """What the layer adds to its bias, if anything."""
    return next((leaves[name] for name in BIASES if name in leaves), None)
