"""The running average of the weights (EMA), which is smoother than the weights themselves."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


class WeightAverage:
    """average = decay * average + (1 - decay) * weights, in float32. The decay grows towards its value as in
    diffusers' EMAModel, so that the beginning is soon forgotten: min(decay, (1 + n) / (10 + n)) at step n."""

    def __init__(self, weights: Mapping[str, Tensor], decay: float) -> None:
        self.decay = decay
        self.weights = {name: weight.detach().float().clone() for name, weight in weights.items()}

    @torch.no_grad()
    def follow(self, weights: Mapping[str, Tensor], step: int) -> None:
        """Takes in the weights after a step, counted from 1."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, average in self.weights.items():
            average.lerp_(weights[name].detach().float(), 1.0 - decay)


def average_of(weights: Mapping[str, Tensor], decay: float | None) -> WeightAverage | None:
    return WeightAverage(weights, decay) if decay else None
