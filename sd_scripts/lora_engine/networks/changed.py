"""Networks of any kind in a loaded model's own weights: put in as strongly as wanted, and taken out to the last
bit.

What cannot stand beside a layer as LoRA's two small matrices do (LoHa, LoKr, DoRA, norms ...) goes into the
weights. These are kept as they were, in the computer's memory, so that a GPU has to hold nothing twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from lora_engine.networks.kinds import Kind, Leaves, bias_change_of, change_of, kind_of
from lora_engine.networks.lora import levels_of_sdxl
from sd_contract.errors import CheckpointError
from sd_contract.tensors.tensor_names import Part, lora_name

MISFIT = "It was trained on another kind of base model."


@dataclass(frozen=True)
class _Layer:
    """A layer with weights that a file may change."""

    part: Part
    weight: nn.Parameter
    bias: nn.Parameter | None


@dataclass(frozen=True)
class _Change:
    """What a file holds for one layer."""

    name: str
    layer: _Layer
    kind: Kind
    leaves: Leaves


class ChangedWeights:
    """A U-Net and its text encoders, with the changes that one file makes to them."""

    def __init__(self, unet: nn.Module, text_encoder: nn.Module) -> None:
        self._layers = dict((*_layers("text_encoder", text_encoder), *_layers("unet", unet)))
        self._kept: dict[nn.Parameter, Tensor] = {}
        self._changes: list[_Change] = []
        self._strength = 0.0

    def take(self, layers: Mapping[str, Leaves], path: Path) -> None:
        """Takes over what a file holds, at strength 0. CheckpointError when it is of a kind that is not known or
        made for another model; nothing is changed then."""
        changes = [self._change(name, leaves, path) for name, leaves in layers.items()]
        self.strength = 0.0
        self._changes = changes

    def let_go(self) -> None:
        """Takes the file's changes out, and forgets them and the weights that were kept."""
        self.strength = 0.0
        self._changes = []
        self._kept = {}

    @property
    def is_there(self) -> bool:
        """Whether a file has been taken over."""
        return bool(self._changes)

    @property
    def strength(self) -> float:
        """How strongly the file acts: 0 not at all, 1 as trained."""
        return self._strength

    @strength.setter
    @torch.no_grad()
    def strength(self, value: float) -> None:
        if value == self._strength:
            return
        for change in self._changes:
            self._show(change, value)
        self._strength = value

    def changes_in(self, part: Part) -> bool:
        return any(change.layer.part == part for change in self._changes)

    def _show(self, change: _Change, strength: float) -> None:
        weight = change.layer.weight
        kept = self._kept_of(weight)
        if not strength:
            weight.copy_(kept)
        else:
            exact = kept.to(weight.device, torch.float32)
            leaves = {name: leaf.to(exact) if leaf.ndim else leaf for name, leaf in change.leaves.items()}
            weight.copy_(exact + strength * change_of(change.kind, leaves, exact))
        added = bias_change_of(change.leaves)
        if added is not None:
            assert change.layer.bias is not None, "looked at when the file was taken"
            before = self._kept_of(change.layer.bias)
            change.layer.bias.copy_(before.float() + strength * added.float() if strength else before)

    def _kept_of(self, parameter: nn.Parameter) -> Tensor:
        if parameter not in self._kept:
            self._kept[parameter] = parameter.detach().to("cpu", copy=True)
        return self._kept[parameter]

    def _change(self, name: str, leaves: Leaves, path: Path) -> _Change:
        try:
            kind = kind_of(name, leaves)
        except CheckpointError as error:
            raise CheckpointError(f"{path}: {error}") from error
        layer = self._layers.get(name)
        if layer is None:
            raise CheckpointError(
                f"{path} has a {kind.name} for {name!r}, which this model does not have. {MISFIT}"
            )
        hollow = {leaf: tensor.to("meta") if tensor.ndim else tensor for leaf, tensor in leaves.items()}
        try:
            change_of(kind, hollow, torch.empty_like(layer.weight, device="meta", dtype=torch.float32))
        except ValueError as error:
            raise CheckpointError(
                f"{path}: {name!r} does not fit the layer here, whose shape is {tuple(layer.weight.shape)}: "
                f"{error}. {MISFIT}"
            ) from error
        added = bias_change_of(leaves)
        if added is not None and (layer.bias is None or layer.bias.shape != added.shape):
            raise CheckpointError(f"{path}: {name!r} has a bias that does not fit the layer here. {MISFIT}")
        return _Change(name, layer, kind, leaves)


def _layers(part: Part, root: nn.Module) -> Iterator[tuple[str, _Layer]]:
    """By both of their names where SDXL's files know two."""
    levels = levels_of_sdxl(root) if part == "unet" else ()
    for path, module in root.named_modules():
        weight, bias = (getattr(module, name, None) for name in ("weight", "bias"))
        if isinstance(weight, nn.Parameter):
            for name in {lora_name(part, path, levels), lora_name(part, path)}:
                yield name, _Layer(part, weight, bias)
