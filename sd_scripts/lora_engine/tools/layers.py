"""One layer of a LoRA file, of whatever kind, and the change it makes to a weight."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lora_engine.networks.kinds import MAGNITUDE, MID, Kind, Leaves, bias_change_of, change_of, kind_of, rank_of
from sd_contract.errors import CheckpointError
from sd_contract.tensors.tensor_names import ALPHA, DOWN, UP


@dataclass(frozen=True)
class Layer:
    """The tensors of one layer by kohya's names."""

    name: str
    leaves: Leaves
    kind: Kind

    @property
    def is_plain(self) -> bool:
        """Whether it is a product of two matrices, as a LoRA is."""
        return UP in self.leaves and MID not in self.leaves and MAGNITUDE not in self.leaves

    @property
    def kind_name(self) -> str:
        return "DoRA" if MAGNITUDE in self.leaves else self.kind.name

    @property
    def down(self) -> Tensor:
        return self.leaves[DOWN]

    @property
    def up(self) -> Tensor:
        return self.leaves[UP]

    @property
    def rank(self) -> int:
        return rank_of(self.leaves)

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

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether it is made for a weight of this shape; nothing is computed."""
        hollow = {leaf: tensor.to("meta") if tensor.ndim else tensor for leaf, tensor in self.leaves.items()}
        try:
            change_of(self.kind, hollow, torch.empty(shape, device="meta"))
        except ValueError:
            return False
        return True

    def change(self, weight: Tensor) -> Tensor:
        """What the layer at strength 1 adds to this weight, in its shape."""
        return change_of(self.kind, self.leaves, weight)


def layer_of(name: str, leaves: Leaves) -> Layer:
    """CheckpointError when tensors are missing, don't fit each other, or are of a kind that can't be used here."""
    layer = Layer(name, leaves, kind_of(name, leaves))
    if layer.kind.name == "norm" or bias_change_of(leaves) is not None:
        raise CheckpointError(f"{name!r} changes a norm or a bias, which the LoRA tools can't use.")
    if layer.is_plain and layer.up.flatten(1).shape[1] != layer.rank:
        raise CheckpointError(
            f"{name!r} does not fit itself: {DOWN} has rank {layer.rank}, {UP} {layer.up.flatten(1).shape[1]}."
        )
    return layer
