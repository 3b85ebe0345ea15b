"""A trained network that goes on acting while another learns on top of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from lora_engine.networks.lora import LoraModule, LoraNetwork
from lora_engine.networks.lycoris import LycorisLayer, LycorisNetwork

Module = LoraModule | LycorisLayer


class FrozenNetwork:
    """Adds to the layers of a model what a network would, which gives its places free and never learns again."""

    def __init__(self, network: LoraNetwork | LycorisNetwork) -> None:
        self.multiplier = 1.0
        self._weights: dict[str, nn.Parameter] = network.weights()
        modules: list[Module] = list(network.modules.values())
        network.detach()
        for module in modules:
            module.requires_grad_(False)
            _layer_of(module).register_forward_hook(self._adding(module))

    @property
    def weights(self) -> Mapping[str, nn.Parameter]:
        """By their names in a file, for states."""
        return self._weights

    @torch.no_grad()
    def take_up(self, weights: Mapping[str, Tensor]) -> None:
        """Goes on with other weights of the same network. KeyError or RuntimeError for those of another."""
        for name, weight in self._weights.items():
            weight.copy_(weights[name])

    def _adding(self, module: Module) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
        def hook(layer: nn.Module, given: tuple[Tensor, ...], y: Tensor) -> Tensor:
            return torch.add(y, module.added(given[0]), alpha=self.multiplier) if self.multiplier else y

        return hook


def _layer_of(module: Module) -> nn.Module:
    return module.base
