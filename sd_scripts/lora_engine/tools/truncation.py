"""Low-rank approximations of weight changes by their singular values, and kohya's rules for how many are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

SMALLEST = 1e-6
"""A change whose largest singular value is not above this is nothing; kohya keeps rank 1 of it."""
Method = Literal["sv_ratio", "sv_fro", "sv_cumulative"]


@dataclass(frozen=True)
class Spectrum:
    """A matrix M [out, rest] as U diag(S) Vh; S falls. Singular values beyond those kept are 0: `sides` is
    how many a whole decomposition has."""

    U: Tensor
    S: Tensor
    Vh: Tensor
    sides: int

    @classmethod
    def of(cls, matrix: Tensor) -> Spectrum:
        U, S, Vh = torch.linalg.svd(matrix, full_matrices=False)
        return cls(U, S, Vh, min(matrix.shape))

    @classmethod
    def of_factors(cls, up: Tensor, down: Tensor) -> Spectrum:
        """Of up @ down, [out, r] and [r, rest]: decomposing r by r numbers gives the same as all of
        them, since the Q of a QR decomposition leaves lengths and angles as they are."""
        sides = min(up.shape[0], down.shape[1])
        if up.shape[1] >= sides:
            return cls.of(up @ down)
        Q_up, R_up = torch.linalg.qr(up)
        Q_down, R_down = torch.linalg.qr(down.T)
        U, S, Vh = torch.linalg.svd(R_up @ R_down.T)
        return cls(Q_up @ U, S, Vh @ Q_down.T, sides)

    def factors(self, rank: int, clamp_quantile: float = 1.0) -> tuple[Tensor, Tensor]:
        """up [out, rank] and down [rank, rest] of the best approximation of that rank (Eckart and Young), padded
        with zeros beyond what there is. A quantile below 1 cuts the largest numbers as kohya does: that changes
        the result."""
        kept = min(rank, len(self.S))
        up, down = self.U[:, :kept] * self.S[:kept], self.Vh[:kept]
        if clamp_quantile < 1:
            limit = _quantile(torch.cat([up.flatten(), down.flatten()]), clamp_quantile)
            up, down = up.clamp(-limit, limit), down.clamp(-limit, limit)
        return F.pad(up, (0, rank - kept)), F.pad(down, (0, 0, 0, rank - kept))

    def kept_share(self, rank: int) -> float:
        """How much of the matrix's length (Frobenius norm) an approximation of that rank has; 1 of nothing."""
        whole = float(self.S.double().square().sum().sqrt())
        return float(self.S[:rank].double().square().sum().sqrt()) / whole if whole else 1.0


def exact(factor: Tensor, device: str) -> Tensor:
    """A factor for `Spectrum.of_factors`, in 64 bits where the device has them: where two singular values lie
    close to each other, the rounding of 32 bits turns what is kept."""
    return factor.to(device, torch.float32 if device.startswith("mps") else torch.float64)


def rank_for(spectrum: Spectrum, limit: int, method: Method | None = None, parameter: float = 0.0) -> int:
    """The rank that kohya's rule gives: the limit itself without a method, else as many singular values as the
    method asks for, plus one, at most the limit. No matrix has more than its smaller side."""
    limit = min(limit, spectrum.sides)
    if float(spectrum.S[0]) <= SMALLEST:
        return 1
    if method is None:
        return limit
    index = RULES[method](spectrum.S, parameter)
    return min(max(1, min(index, spectrum.sides - 1)) + 1, limit)


def _by_ratio(S: Tensor, parameter: float) -> int:
    """How many are above the largest divided by the parameter."""
    return int((S[0] / parameter < S).sum())


def _by_sum(S: Tensor, parameter: float) -> int:
    return _reaching(S, parameter)


def _by_length(S: Tensor, parameter: float) -> int:
    return _reaching(S.square(), parameter**2)


def _reaching(values: Tensor, share: float) -> int:
    """How many are summed up until this share of their sum is reached."""
    return int(torch.searchsorted(values.cumsum(0) / values.sum(), share)) + 1


RULES: Mapping[str, Callable[[Tensor, float], int]] = {
    "sv_ratio": _by_ratio,
    "sv_fro": _by_length,
    "sv_cumulative": _by_sum,
}


def _quantile(values: Tensor, share: float) -> Tensor:
    """torch.quantile, which takes 16 million values at most, for any number of them."""
    ordered = values.sort().values
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return torch.lerp(ordered[low], ordered[high], place - low)
