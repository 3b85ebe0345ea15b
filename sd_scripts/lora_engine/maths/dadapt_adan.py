"""Adan (Xie et al., arXiv 2208.06677) with D-Adaptation (Defazio & Mishchenko, arXiv 2301.07733), as the authors'
package `dadaptation` steps; pytorch_optimizer's own takes other steps.

Symbols: g gradient, m, v, n Adan's averages of g, of its change, and of (g + beta2 * change)^2, s the weighted sum
of gradients, d the estimate of the distance to the solution, lambda_ = d * rate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer


class DAdaptAdan(Optimizer):
    """All groups share d, so they should share a rate; that of the first counts."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        *,
        betas: tuple[float, float, float] = (0.98, 0.92, 0.99),
        eps: float = 1e-8,
        weight_decay: float = 0.02,
        no_prox: bool = False,
        d0: float = 1e-6,
        growth_rate: float = float("inf"),
    ) -> None:
        """`no_prox` decays before the step instead of after it; `growth_rate` limits how many times larger a step
        makes d."""
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": tuple(betas),
                "eps": eps,
                "weight_decay": weight_decay,
                "no_prox": no_prox,
                "d": d0,
                "growth_rate": growth_rate,
                "gsq_weighted": 0.0,
            },
        )

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = closure() if closure is not None else None
        first = self.param_groups[0]
        d, lambda_ = first["d"], first["d"] * first["lr"]
        sums = [self._average(group, weight, lambda_) for group, weight in self._weights()]
        if not sums:
            return loss
        g_sq, s_sq, s_l1 = torch.stack(sums).sum(0).tolist()
        beta3 = first["betas"][2]
        gsq_weighted = beta3 * first["gsq_weighted"] + (1.0 - beta3) * lambda_**2 * g_sq
        if s_l1 == 0:
            return loss
        if lambda_ > 0:
            found = (s_sq / (1.0 - beta3) - gsq_weighted) / s_l1
            d = max(d, min(found, d * first["growth_rate"]))
        for group in self.param_groups:
            group["d"], group["gsq_weighted"] = d, gsq_weighted
        for group, weight in self._weights():
            self._move(group, weight, lambda_)
        return loss

    def _weights(self) -> Iterator[tuple[dict[str, Any], Parameter]]:
        """Those that have a gradient, each with its group."""
        for group in self.param_groups:
            yield from ((group, weight) for weight in group["params"] if weight.grad is not None)

    def _average(self, group: dict[str, Any], weight: Parameter, lambda_: float) -> Tensor:
        """Takes the gradient into the averages. Returns what d is estimated from: |g|^2 and |s|^2, both by
        1 / sqrt(n), and |s|_1."""
        g, state, (beta1, beta2, beta3) = weight.grad, self.state[weight], group["betas"]
        assert g is not None, "only weights with gradients are averaged"
        if not state:
            state.update({name: torch.zeros_like(weight) for name in ("m", "v", "n", "s")}, previous=g.clone())
        change = g - state["previous"]
        state["previous"].copy_(g)
        state["m"].mul_(beta1).add_(g, alpha=lambda_ * (1.0 - beta1))
        state["v"].mul_(beta2).add_(change, alpha=lambda_ * (1.0 - beta2))
        state["n"].mul_(beta3).add_((g + beta2 * change).square(), alpha=1.0 - beta3)
        state["s"].mul_(beta3).add_(g, alpha=lambda_ * (1.0 - beta3))
        scale = state["n"].sqrt().add_(group["eps"])
        return torch.stack(
            [(g.square() / scale).sum(), (state["s"].square() / scale).sum(), state["s"].abs().sum()]
        ).double()

    def _move(self, group: dict[str, Any], weight: Parameter, lambda_: float) -> None:
        state, decay = self.state[weight], lambda_ * group["weight_decay"]
        if group["no_prox"]:
            weight.mul_(1.0 - decay)
        weight.addcdiv_(
            state["m"] + group["betas"][1] * state["v"], state["n"].sqrt().add_(group["eps"]), value=-1.0
        )
        if not group["no_prox"]:
            weight.div_(1.0 + decay)
