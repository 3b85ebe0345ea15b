"""The optimizer of every stage: Muon for the inner matrices, AdamW for the rest."""

from collections import defaultdict
from collections.abc import Iterable

import torch

AT_THE_EDGES = ("conv_in", "conv_out", "embed", "quant")
"""Parts of the names of layers that AdamW trains: first and last layers, tables and latent scalings."""


class Muon(torch.optim.Optimizer):
    """Momentum made orthogonal by a Newton-Schulz iteration (Jordan et al. 2024).

    Convolutions are taken as matrices of outputs x (inputs, kernel); matrices of one shape go through together.
    """

    def __init__(self, parameters: Iterable[torch.nn.Parameter], *, lr: float, momentum: float = 0.95):
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for (rows, columns), parameters in _by_matrix_shape(group["params"]).items():
                directions = _orthogonal(self._looked_ahead(parameters, group["momentum"]))
                size = group["lr"] * max(1.0, rows / columns) ** 0.5
                for parameter, direction in zip(parameters, directions, strict=True):
                    parameter.add_(direction.view(parameter.shape), alpha=-size)

    def _looked_ahead(self, parameters, momentum):
        """Nesterov's mixture of gradient and momentum, stacked."""
        mixtures = []
        for parameter in parameters:
            state = self.state[parameter]
            average = state.setdefault("momentum", torch.zeros_like(parameter))
            average.lerp_(parameter.grad, 1 - momentum)
            mixtures.append(parameter.grad.lerp(average, momentum).flatten(1))
        return torch.stack(mixtures)


class MuonWithAdamW:
    """Both optimizers behind one `step`, whose `pace` scales both learning rates."""

    def __init__(self, network: torch.nn.Module, *, matrix_rate: float = 0.02, other_rate: float):
        matrices, others = _split(network)
        self.parameters = [*matrices, *others]
        self._optimizers = (
            Muon(matrices, lr=matrix_rate),
            torch.optim.AdamW(others, lr=other_rate, betas=(0.9, 0.98), weight_decay=0.0),
        )
        self._rates = (matrix_rate, other_rate)

    def step(self, pace: float) -> None:
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        for optimizer, rate in zip(self._optimizers, self._rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate * pace
            optimizer.step()
            optimizer.zero_grad()

    def state_dict(self) -> list[dict]:
        return [optimizer.state_dict() for optimizer in self._optimizers]

    def load_state_dict(self, states: list[dict]) -> None:
        for optimizer, state in zip(self._optimizers, states, strict=True):
            optimizer.load_state_dict(state)


def _split(network):
    """The trainable parameters: inner matrices, others."""
    matrices, others = [], []
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            inner = parameter.ndim >= 2 and not any(part in name for part in AT_THE_EDGES)
            (matrices if inner else others).append(parameter)
    return matrices, others


def _by_matrix_shape(parameters):
    groups = defaultdict(list)
    for parameter in parameters:
        groups[tuple(parameter.flatten(1).shape)].append(parameter)
    return groups


def _orthogonal(stack, iterations=4):
    """Nearly orthogonal matrices of the same directions; stack x rows x columns."""
    a, b, c = 3.4445, -4.7750, 2.0315  # the quintic's coefficients, chosen by Jordan for a steep start
    tall = stack.shape[1] > stack.shape[2]
    X = stack.mT if tall else stack
    X = X / (X.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(iterations):
        A = X @ X.mT
        X = a * X + (b * A + c * A @ A) @ X
    return X.mT if tall else X
