"""How many weights a network of LyCORIS has, reckoned from the shapes of a base model's file. Which layers a
preset changes is told by their names there: near enough for memory and disks."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from sd_contract.base_models.layouts import CLIP, OPEN_CLIP, UNET
from sd_contract.errors import OptionError
from sd_contract.lycoris.plan import LycorisPlan, lycoris_plan
from sd_contract.lycoris.tensors import tensor_shapes
from sd_contract.networks import Rank
from sd_contract.options import network_arguments, settings_from
from sd_contract.options.groups import NETWORKS

Shapes = Mapping[str, tuple[int, ...]]
Parts = Collection[str]
NAMES = ("network_module", "network_dim", "network_alpha", "network_args")
TEXT = (*CLIP.values(), *OPEN_CLIP.values())
_ATTENTION = re.compile(r"\.attn[12]\.")
_TRANSFORMER = re.compile(r"\.transformer_blocks\.|\.proj_(?:in|out)\.")
_TEXT_ATTENTION = re.compile(r"\.self_attn\.|\.attn\.")
_TEXT_LAYER = re.compile(r"\.self_attn\.|\.attn\.|\.mlp\.")


@dataclass(frozen=True)
class LycorisSizes:
    """The sizes of the network that a plan describes."""

    plan: LycorisPlan

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> LycorisSizes | None:
        """None for a plain LoRA, and for options that can't be trained with, which others tell."""
        if options.get("network_module") not in NETWORKS[1:]:
            return None
        try:
            settings = settings_from({name: options[name] for name in NAMES if options.get(name) is not None})
            return cls(lycoris_plan(settings)) if network_arguments(settings.network).lycoris else None
        except OptionError:
            return None

    def weights(self, parts: Parts, shapes: Shapes) -> int:
        """How many numbers learn."""
        return sum(self._of_layer(shape) for shape in self._layers(parts, shapes))

    def changed_numbers(self, parts: Parts, shapes: Shapes) -> int:
        """How many numbers the changes have that are made as a whole."""
        method = self.plan.method
        if method.algo in ("locon", "dylora") and not method.dora_wd:
            return 0
        return sum(prod(shape) for shape in self._layers(parts, shapes))

    def _of_layer(self, shape: tuple[int, ...]) -> int:
        rank: Rank = self.plan.large if _is_wide(shape) else self.plan.rank
        try:
            found = tensor_shapes(self.plan.method, rank.rank, shape)
        except OptionError:
            return 0
        return sum(map(prod, found.values()))

    def _layers(self, parts: Parts, shapes: Shapes) -> list[tuple[int, ...]]:
        return [
            shape
            for name, shape in shapes.items()
            if name.endswith("weight") and len(shape) in (2, 4) and self._changes(name, shape, parts)
        ]

    def _changes(self, name: str, shape: tuple[int, ...], parts: Parts) -> bool:
        preset = self.plan.preset
        if _is_wide(shape) and not preset.enable_conv:
            return False
        if name.startswith(UNET):
            return "unet" in parts and self._is_meant(name, preset.unet_target_module, _ATTENTION, _TRANSFORMER)
        classes = preset.text_encoder_target_module
        return (
            name.startswith(TEXT)
            and "text_encoder" in parts
            and bool(_TEXT_LAYER.search(name))
            and self._is_meant(name, classes, _TEXT_ATTENTION, _TEXT_LAYER)
        )

    def _is_meant(
        self, name: str, classes: tuple[str, ...], attention: re.Pattern[str], around: re.Pattern[str]
    ) -> bool:
        """Whether classes of modules that a preset wants take in a layer of that name."""
        if {"Transformer2DModel", "CLIPMLP"} & {*classes} and around.search(name):
            return True
        if {"Attention", "CLIPAttention"} & {*classes} and attention.search(name):
            return True
        return "ResnetBlock2D" in classes and not around.search(name)


def _is_wide(shape: tuple[int, ...]) -> bool:
    return any(size != 1 for size in shape[2:])
