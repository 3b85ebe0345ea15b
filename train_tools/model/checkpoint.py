"""A checkpoint: a LoRA file that a run published."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A whole, verified LoRA file in its run's folder."""

    run: str
    path: Path
    size_bytes: int
    modified: float
    epoch: int
    step: int
    final: bool
    """The last of its run: the name carries no number."""

    @property
    def name(self) -> str:
        return self.path.stem
