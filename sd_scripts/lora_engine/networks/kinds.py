"""The kinds of networks that LoRA files hold, and the change that each makes to a layer's weight at full strength.
Formulas alone: nothing here knows files, models or training.

A weight is [out, in], [out, in, height, width], or [width] of a norm. Leaves are a layer's tensors by the names
that stand behind the layer's own in a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sd_contract.errors import CheckpointError
from sd_contract.tensors.tensor_names import ALPHA, DOWN, UP

MID = "lora_mid.weight"
MAGNITUDE = "dora_scale"
TINY = 1e-8
Leaves = Mapping[str, Tensor]


@dataclass(frozen=True)
class Kind:
    """One kind: the leaf that gives it away, those that have to be there as well, those that may, and its
    formula."""

    name: str
    mark: str
    needs: tuple[str, ...]
    may: tuple[str, ...]
    change: Callable[[Leaves, Tensor], Tensor]

    @property
    def leaves(self) -> frozenset[str]:
        return frozenset({self.mark, *self.needs, *self.may})


def kind_of(name: str, leaves: Leaves) -> Kind:
    """The kind of a layer. CheckpointError when tensors are missing, or none of the kinds here has them."""
    kind = next((kind for kind in KINDS if kind.mark in leaves), None)
    unknown = next((leaf for leaf in leaves if kind is None or leaf not in kind.leaves), None)
    if kind is None or unknown is not None:
        raise CheckpointError(
            f"{name!r} holds {unknown!r}, which is of a kind that is not known here. Known are "
            f"{', '.join(dict.fromkeys(kind.name for kind in KINDS))}."
        )
    missing = next((leaf for leaf in kind.needs if leaf not in leaves), None)
    if missing is not None:
        raise CheckpointError(f"{name!r} lacks {missing}, without which {kind.name} means nothing.")
    return kind


def change_of(kind: Kind, leaves: Leaves, weight: Tensor) -> Tensor:
    """What is to be added to the weight, in its shape. ValueError, saying why, when the leaves are made for
    another shape or do not fit each other."""
    try:
        return weight_change(kind, leaves, weight)
    except KeyError as error:
        raise ValueError(f"it lacks {error.args[0]}") from error
    except (RuntimeError, IndexError) as error:
        raise ValueError("its tensors do not fit") from error


def weight_change(kind: Kind, leaves: Leaves, weight: Tensor) -> Tensor:
    """`change_of` for leaves that are known to fit, whatever else may go wrong."""
    change = kind.change(leaves, weight)
    if change.shape[0] != weight.shape[0]:
        raise ValueError(f"it has {change.shape[0]} outputs")
    change = change.reshape(weight.shape)
    return change if MAGNITUDE not in leaves else _decomposed(weight + change, leaves[MAGNITUDE]) - weight


def bias_change_of(leaves: Leaves) -> Tensor | None:
    """What is to be added to the layer's bias."""
    return next((leaves[leaf] for leaf in ("diff_b", "b_norm") if leaf in leaves), None)


def rank_of(leaves: Leaves) -> int:
    """What alpha is divided by; 1 where there is none, as of LoKr's whole matrices."""
    ranks = (leaves[leaf].shape[0] for leaf in (DOWN, "hada_w1_b", "lokr_w1_b", "lokr_w2_b") if leaf in leaves)
    return next(ranks, 1)


def scale_of(leaves: Leaves, rank: int | None = None) -> float:
    """alpha / rank. A missing alpha is the rank, as all programs that load LoRAs agree."""
    return float(leaves[ALPHA]) / (rank or rank_of(leaves)) if ALPHA in leaves else 1.0


def _low_rank(leaves: Leaves, weight: Tensor) -> Tensor:
    """LoRA (Hu et al., arXiv 2106.09685) and LoCon, which may keep a small kernel between (Tucker)."""
    down, up = leaves[DOWN], leaves[UP]
    if MID in leaves:
        return scale_of(leaves) * torch.einsum("or,rskl,si->oikl", up.flatten(1), leaves[MID], down.flatten(1))
    return (scale_of(leaves) * (up.flatten(1) @ down.flatten(1))).reshape(up.shape[0], *down.shape[1:])


def _hadamard(leaves: Leaves, weight: Tensor) -> Tensor:
    """LoHa (Hyeon-Woo et al., arXiv 2108.06098): the product, number by number, of two low-rank matrices."""
    first, second = (_factor(leaves, f"hada_w{which}", f"hada_t{which}") for which in "12")
    return scale_of(leaves) * first * second


def _kronecker(leaves: Leaves, weight: Tensor) -> Tensor:
    """LoKr (LyCORIS, arXiv 2309.14859): a Kronecker product. Where both are whole, alpha means nothing."""
    whole = "lokr_w1" in leaves and "lokr_w2" in leaves
    first, second = (_factor(leaves, f"lokr_w{which}", f"lokr_t{which}") for which in "12")
    while first.ndim < second.ndim:
        first = first.unsqueeze(-1)
    return (1.0 if whole else scale_of(leaves)) * torch.kron(first, second.contiguous())


def _factor(leaves: Leaves, name: str, kernel: str) -> Tensor:
    """A factor that is there as a whole, as a product of two, or with a kernel between them."""
    if name in leaves:
        return leaves[name]
    a, b = leaves[f"{name}_a"], leaves[f"{name}_b"]
    if kernel in leaves:
        return torch.einsum("rskl,ro,si->oikl", leaves[kernel], a, b)
    return (a @ b.flatten(1)).reshape(a.shape[0], *b.shape[1:])


def _difference(leaves: Leaves, weight: Tensor) -> Tensor:
    """Full: the whole difference. LyCORIS trains it for layers that are too small for anything else."""
    return leaves["diff"]


def _of_norm(leaves: Leaves, weight: Tensor) -> Tensor:
    return leaves["w_norm"]


def _scaling(leaves: Leaves, weight: Tensor) -> Tensor:
    """(IA)^3 (Liu et al., arXiv 2205.05638): each output, or each input, is made stronger or weaker."""
    on_input = "on_input" in leaves and bool(leaves["on_input"])
    sides = [1] * weight.ndim
    sides[1 if on_input else 0] = -1
    return weight * leaves["weight"].reshape(sides)


def _generalised(leaves: Leaves, weight: Tensor) -> Tensor:
    """GLoRA (Chavan et al., arXiv 2306.07967): W A + B, both of low rank. Older files keep each pair the other
    way round."""
    a1, a2, b1, b2 = (leaves[f"{name}.weight"].flatten(1) for name in ("a1", "a2", "b1", "b2"))
    if a1.shape[0] != weight.shape[1]:
        a1, a2, b1, b2 = a2, a1, b2, b1
    turned = torch.einsum("oi...,ij->oj...", torch.einsum("oi...,ir->or...", weight, a1), a2)
    return scale_of(leaves, a2.shape[0]) * (turned + (b1 @ b2).reshape(weight.shape))


def _rotation(leaves: Leaves, weight: Tensor) -> Tensor:
    """OFT (Qiu et al., arXiv 2306.07280): blocks of outputs are turned, then perhaps rescaled. BOFT (Liu et al.,
    arXiv 2311.06243) turns in several stages, in each of them outputs twice as far apart."""
    turns = _turns(leaves, weight)
    turned = _butterfly(turns, weight) if turns.ndim == 4 else _turned(turns.mT, weight)
    if "rescale" in leaves:
        turned = turned * leaves["rescale"].reshape(-1, *[1] * (weight.ndim - 1))
    return turned - weight


def _turns(leaves: Leaves, weight: Tensor) -> Tensor:
    """Cayley's (I + Q) / (I - Q) with Q = B - B^T, whose length alpha times the outputs limits where it is above
    0."""
    blocks = leaves["oft_blocks"]
    skew = blocks - blocks.mT
    limit = float(leaves[ALPHA]) * weight.shape[0] if ALPHA in leaves else 0.0
    if limit > 0:
        norm = skew.norm().clamp(min=TINY)
        skew = skew * (norm.clamp(max=limit) / norm)
    one = torch.eye(blocks.shape[-1], device=blocks.device, dtype=blocks.dtype)
    turns: Tensor = (one + skew) @ torch.linalg.inv(one - skew)
    return turns


def _turned(turns: Tensor, weight: Tensor) -> Tensor:
    in_blocks = weight.reshape(*turns.shape[:2], *weight.shape[1:])
    return torch.einsum("kmn,kn...->km...", turns, in_blocks).flatten(0, 1)


def _butterfly(stages: Tensor, weight: Tensor) -> Tensor:
    for number, turns in enumerate(stages):
        near, others = 2**number * (turns.shape[-1] // 2), weight.shape[1:]
        mixed = _turned(turns, weight.reshape(-1, 2, near, *others).transpose(1, 2).flatten(0, 2))
        weight = mixed.reshape(-1, near, 2, *others).transpose(1, 2).flatten(0, 2)
    return weight


def _decomposed(weight: Tensor, magnitude: Tensor) -> Tensor:
    """DoRA (Liu et al., arXiv 2402.09353): the weight's direction at a length of its own, for each output or for
    each input, as the magnitudes' shape says."""
    of_outputs = magnitude.shape[0] == weight.shape[0] and magnitude.numel() == weight.shape[0]
    others = [side for side in range(weight.ndim) if side != (0 if of_outputs else 1)]
    norm = torch.linalg.vector_norm(weight, dim=others, keepdim=True)
    scale: Tensor = magnitude.reshape(norm.shape) / (norm + torch.finfo(norm.dtype).eps)
    return weight * scale


def _halves(name: str) -> tuple[str, ...]:
    return (f"{name}_a", f"{name}_b")


_SCALED = (ALPHA, MAGNITUDE)
_LOKR = ("lokr_w1", *_halves("lokr_w1"), "lokr_w2", *_halves("lokr_w2"), "lokr_t1", "lokr_t2", *_SCALED)
KINDS: tuple[Kind, ...] = (
    Kind("LoRA", UP, (DOWN,), (MID, *_SCALED), _low_rank),
    Kind("LoRA", DOWN, (UP,), (MID, *_SCALED), _low_rank),
    Kind(
        "LoHa",
        "hada_w1_a",
        ("hada_w1_b", "hada_w2_a", "hada_w2_b"),
        ("hada_t1", "hada_t2", *_SCALED),
        _hadamard,
    ),
    Kind("LoKr", "lokr_w1_a", ("lokr_w1_b",), _LOKR, _kronecker),
    Kind("LoKr", "lokr_w1", (), _LOKR, _kronecker),
    Kind("full", "diff", (), ("diff_b", ALPHA), _difference),
    Kind("norm", "w_norm", (), ("b_norm", ALPHA), _of_norm),
    Kind("IA3", "weight", (), ("on_input", ALPHA), _scaling),
    Kind("GLoRA", "a1.weight", ("a2.weight", "b1.weight", "b2.weight"), (ALPHA,), _generalised),
    Kind("OFT", "oft_blocks", (), ("rescale", ALPHA), _rotation),
)
