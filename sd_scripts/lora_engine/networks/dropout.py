"""Dropout inside LoRA layers, drawn from the run's own streams: kohya's network, rank and module dropout, and the
nested one of DyLoRA."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lora_engine.maths.streams import Streams


@dataclass(frozen=True, kw_only=True)
class DropoutShares:
    """The shares that are silenced: of a LoRA's inner values, of its ranks for a whole sample, of whole LoRAs."""

    inner: float = 0.0
    rank: float = 0.0
    module: float = 0.0


class Dropout:
    """All dropout of one network.

    Draws belong to the layer's name and to `position`, so that an activation computed again for the backward pass
    is the same. Without a position nothing is dropped."""

    def __init__(self, shares: DropoutShares, streams: Streams) -> None:
        self._shares = shares
        self._streams = streams
        self.position: int | None = None

    def skips(self, name: str) -> bool:
        """Whether this layer's whole LoRA is silent this time."""
        if self.position is None or not self._shares.module:
            return False
        return self._streams.random("module dropout", name, self.position).random() < self._shares.module

    def blocks(self, name: str, number: int) -> int:
        """How many of a layer's blocks of ranks take part this time (DyLoRA); all without a position."""
        if self.position is None:
            return number
        return self._streams.random("nested dropout", name, self.position).randint(1, number)

    def thinned(self, name: str, inner: Tensor, *, ranks_last: bool) -> Tensor:
        """The values between `down` and `up`, some of them 0 and the others larger, so that the mean stays."""
        if self.position is None:
            return inner
        if self._shares.inner:
            inner = inner * self._mask("network dropout", name, inner.shape, self._shares.inner, inner)
        if self._shares.rank:
            ranks = inner.shape[-1] if ranks_last else inner.shape[1]
            others = (1,) * (inner.dim() - 2)
            shape = (inner.shape[0], *others, ranks) if ranks_last else (inner.shape[0], ranks, *others)
            inner = inner * self._mask("rank dropout", name, shape, self._shares.rank, inner)
        return inner

    def _mask(self, stream: str, name: str, shape: tuple[int, ...], share: float, like: Tensor) -> Tensor:
        assert self.position is not None, "dropout without a position"
        generator = self._streams.generator(stream, name, self.position, device=like.device)
        kept = torch.rand(shape, generator=generator, device=like.device) >= share
        return kept.to(like.dtype) / (1.0 - share)
