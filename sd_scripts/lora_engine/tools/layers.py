"""One layer of a LoRA file, of whatever kind, and the change it makes to a weight."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sd_contract.errors import CheckpointError
from sd_contract.tensors.tensor_names import ALPHA, DOWN, UP

MID = "lora_mid.weight"
Leaves = Mapping[str, Tensor]


@dataclass(frozen=True)
class Layer:
    """The tensors of one layer by kohya's names: those of a LoRA, of one with a kernel between, of
    LyCORIS' LoHa and LoKr, or a whole difference."""

    name: str
    leaves: Leaves

    @property
    def is_plain(self) -> bool:
        """Whether it is a product of two matrices, as a LoRA is."""
        return DOWN in self.leaves and UP in self.leaves and MID not in self.leaves

    @property
    def down(self) -> Tensor:
        return self.leaves[DOWN]

    @property
    def up(self) -> Tensor:
        return self.leaves[UP]

    @property
    def rank(self) -> int:
        return _rank(self.leaves)

    @property
    def alpha(self) -> float:
        """A missing alpha is the rank, as all programs that load LoRAs agree."""
        return float(self.leaves[ALPHA]) if ALPHA in self.leaves else float(self.rank)

    @property
    def scale(self) -> float:
        return self.alpha / self.rank

    @property
    def factors(self) -> tuple[Tensor, Tensor]:
        """`up` [out, rank] and `down` [rank, rest] of a plain layer; their product times `scale` is the change."""
        return self.up.flatten(1), self.down.flatten(1)

    @property
    def size(self) -> int:
        """How many numbers the change has."""
        if self.is_plain:
            return self.up.shape[0] * self.down[0].numel()
        return self.change().numel()

    def change(self) -> Tensor:
        """What the layer at strength 1 adds to the weight: [out, in] or [out, in, height, width]."""
        for leaf, change in CHANGES.items():
            if leaf in self.leaves:
                return change(self.leaves, self.scale)
        raise AssertionError(f"{self.name} was let in without a leaf that is known")


def layer_of(name: str, leaves: Leaves) -> Layer:
    """CheckpointError when tensors are missing, don't fit each other, or are of a kind that can't be used here."""
    unknown = [leaf for leaf in leaves if leaf not in KNOWN]
    if unknown:
        raise CheckpointError(f"{name!r} holds {unknown[0]!r}, which is of a kind that the LoRA tools can't use.")
    layer = Layer(name, leaves)
    missing = [
        other for leaf, others in TOGETHER.items() if leaf in leaves for other in others if other not in leaves
    ]
    if missing or not any(leaf in leaves for leaf in CHANGES):
        raise CheckpointError(f"{name!r} lacks {missing[0] if missing else 'its weights'}.")
    if layer.is_plain and layer.up.flatten(1).shape[1] != layer.rank:
        raise CheckpointError(
            f"{name!r} does not fit itself: {DOWN} has rank {layer.rank}, {UP} {layer.up.flatten(1).shape[1]}."
        )
    return layer


def _rank(leaves: Leaves) -> int:
    """LoKr's whole matrices have none: 1 then."""
    for leaf, side in ((DOWN, 0), ("hada_w1_b", 0), ("lokr_w1_b", 0), ("lokr_w2_b", 0)):
        if leaf in leaves:
            return int(leaves[leaf].shape[side])
    return 1


def _plain(leaves: Leaves, scale: float) -> Tensor:
    down, up = leaves[DOWN], leaves[UP]
    if MID in leaves:
        return scale * torch.einsum("or,rskl,si->oikl", up.flatten(1), leaves[MID], down.flatten(1))
    return (scale * (up.flatten(1) @ down.flatten(1))).reshape(up.shape[0], *down.shape[1:])


def _hadamard(leaves: Leaves, scale: float) -> Tensor:
    """LoHa (Hyeon-Woo et al., arXiv 2108.06098): the product, number by number, of two low-rank matrices."""
    return scale * _half(leaves, "1") * _half(leaves, "2")


def _half(leaves: Leaves, which: str) -> Tensor:
    a, b = leaves[f"hada_w{which}_a"], leaves[f"hada_w{which}_b"]
    if f"hada_t{which}" not in leaves:
        return a @ b
    return torch.einsum("rskl,ro,si->oikl", leaves[f"hada_t{which}"], a, b)


def _kronecker(leaves: Leaves, scale: float) -> Tensor:
    """LoKr (LyCORIS, arXiv 2309.14859): a Kronecker product. Where both are whole, alpha means nothing."""
    whole = "lokr_w1" in leaves and "lokr_w2" in leaves
    first, second = _kronecker_factor(leaves, "1"), _kronecker_factor(leaves, "2")
    while first.ndim < second.ndim:
        first = first.unsqueeze(-1)
    return (1.0 if whole else scale) * torch.kron(first, second.contiguous())


def _kronecker_factor(leaves: Leaves, which: str) -> Tensor:
    if f"lokr_w{which}" in leaves:
        return leaves[f"lokr_w{which}"]
    a, b = leaves[f"lokr_w{which}_a"], leaves[f"lokr_w{which}_b"]
    if f"lokr_t{which}" in leaves:
        return torch.einsum("rskl,ro,si->oikl", leaves[f"lokr_t{which}"], a, b)
    return a @ b.flatten(1) if b.ndim == 2 else (a @ b.flatten(1)).reshape(a.shape[0], *b.shape[1:])


def _difference(leaves: Leaves, scale: float) -> Tensor:
    return leaves["diff"]


CHANGES: Mapping[str, Callable[[Leaves, float], Tensor]] = {
    UP: _plain,
    "hada_w1_a": _hadamard,
    "lokr_w1": _kronecker,
    "lokr_w1_a": _kronecker,
    "diff": _difference,
}
TOGETHER: Mapping[str, tuple[str, ...]] = {
    DOWN: (UP,),
    UP: (DOWN,),
    "hada_w1_a": ("hada_w1_b", "hada_w2_a", "hada_w2_b"),
    "lokr_w1_a": ("lokr_w1_b",),
    "lokr_w2_a": ("lokr_w2_b",),
}
KNOWN = frozenset(
    {DOWN, UP, MID, ALPHA, "diff"}
    | {f"hada_{end}" for end in ("w1_a", "w1_b", "w2_a", "w2_b", "t1", "t2")}
    | {f"lokr_{end}" for end in ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t1", "t2")}
)
