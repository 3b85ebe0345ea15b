"""The LoRA file, of whatever kind, that a loaded model shows at the moment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lora_engine.networks.changed import ChangedWeights
from lora_engine.networks.lora import LoraNetwork, weights_of
from sd_contract.errors import CheckpointError
from sd_contract.loras.names import OWN_PREFIXES, key_of
from sd_contract.tensors.tensor_files import verify_safetensors
from sd_contract.tensors.tensor_names import ALPHA, DOWN, UP, Part

PLAIN = frozenset({DOWN, UP, ALPHA})
OTHER_PREFIXES = {"oft_unet_": "lora_unet_", "lycoris_": "lora_unet_"}
"""kohya's own OFT, and LyCORIS outside sd-scripts."""
Layers = dict[str, dict[str, Tensor]]


class ShownLora:
    """At most one file on a U-Net and its text encoders. A plain LoRA stands beside the layers, so that pictures
    of one batch can each have a strength of their own; everything else changes the weights themselves."""

    def __init__(self, model: Any) -> None:
        self._is_sdxl = model.base.family == "sdxl"
        self._like = next(model.unet.parameters())
        self._beside = LoraNetwork(model.unet, model.text_encoder)
        self._within = ChangedWeights(model.unet, model.text_encoder)

    def show(self, path: Path | None) -> None:
        """Takes over the file, to act at strength 1 until another is set; None = the model alone. CheckpointError
        when it is damaged, no LoRA, of an unknown kind, or made for another model."""
        layers = read_layers(path, is_sdxl=self._is_sdxl) if path else {}
        plain = all(PLAIN.issuperset(leaves) for leaves in layers.values()) and self._beside.has_places(layers)
        if not layers or not plain:
            self._beside.detach()
        if not layers or plain:
            self._within.let_go()
        if path is None:
            return
        if plain:
            self._beside.take({name: weights_of(name, leaves, path) for name, leaves in layers.items()}, path)
        else:
            self._within.take(layers, path)
        self.act([1.0])

    @property
    def stands_beside(self) -> bool:
        """Whether pictures of one batch can have strengths of their own."""
        return bool(self._beside.modules)

    def act(self, strengths: Sequence[float]) -> None:
        """How strongly the file acts: one strength for all pictures, or one for each picture of a batch."""
        alone = len(strengths) == 1
        self._beside.multiplier = strengths[0] if alone else torch.tensor(strengths).to(self._like)
        if self._within.is_there:
            assert len(set(strengths)) == 1, "weights can have only one strength at a time"
            self._within.strength = strengths[0]

    def changes_in(self, part: Part) -> bool:
        """Whether the file changes this part of the model."""
        return bool(self._beside.modules_of(part)) or self._within.changes_in(part)


def read_layers(path: Path, *, is_sdxl: bool) -> Layers:
    """A file's tensors by layer and leaf, as kohya calls both. Tensors of other names are left out, as some
    programs put embeddings in. CheckpointError when the file is damaged, or nothing is left."""
    from safetensors.torch import load_file

    verify_safetensors(path)
    layers: Layers = {}
    names: dict[str, str | None] = {}
    for key, tensor in load_file(path).items():
        layer, _, leaf = key.partition(".")
        if layer not in names:
            names[layer] = _own_name(layer, is_sdxl=is_sdxl)
        own = names[layer]
        if own is not None:
            layers.setdefault(own, {})[leaf] = tensor
    if not layers:
        raise CheckpointError(
            f"{path} is no LoRA that can be used as it is: no tensor has a name as kohya gives them. If diffusers "
            "or PEFT wrote it, convert it first: `train-tools lora convert`."
        )
    return layers


def _own_name(layer: str, *, is_sdxl: bool) -> str | None:
    for theirs, ours in OTHER_PREFIXES.items():
        if layer.startswith(theirs):
            layer = ours + layer.removeprefix(theirs)
    key = key_of(f"{layer}.{ALPHA}", is_sdxl=is_sdxl) if layer.startswith(OWN_PREFIXES) else None
    return key.layer if key else None
