"""What a scorer is and what it is given: a checkpoint with its pictures, its training images, what was measured of
it and what was said about it. Knows no scorer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol

from train_tools.model.checkpoint import Checkpoint
from train_tools.model.score import Score, Unscored
from train_tools.scoring.lookers import Looker
from train_tools.scoring.measured import Measured, Measurement
from train_tools.scoring.votes import Tally


class Better(Enum):
    """Which way a scorer's numbers get better; NEITHER for one that only remarks."""

    HIGHER = 1
    LOWER = -1
    NEITHER = 0


@dataclass(frozen=True, kw_only=True)
class Pictured:
    """A preview, and the base model's of the same prompt and seed where there is one."""

    prompt: str
    seed: int
    weight: float
    file: Path
    base: Path | None
    key: str = ""
    """Of the picture's content."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A checkpoint and all that may be looked at."""

    checkpoint: Checkpoint
    content: str
    """The hash of its tensors."""
    measurement: Measurement
    """What its loss is measured on."""
    measured: Measured
    pictures: Sequence[Pictured] = ()
    """Its previews at the weight nearest to 1."""
    training: Sequence[Path] = ()
    """The images that its run was trained on."""
    tally: Tally = field(default_factory=Tally)
    curves: Path | None = None
    """The folder that holds its run's curves."""
    stars: int = 0
    """That the user gave it; 0 is none."""
    lookers: Mapping[str, Looker] = field(default_factory=dict)
    """The models that may look at its pictures, by name."""


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """A way to score. `weight` is its voice in the ranking when it is wholly sure."""

    name: str
    title: str
    better: Better
    weight: float
    score: Scoring
    middle: float | None = None
    """The number that speaks neither for nor against; None where that is the middle of all that are compared."""


class Scoring(Protocol):
    def __call__(self, subject: Subject) -> Score | Unscored:
        """Raises nothing for a checkpoint that can't be scored: that is an `Unscored`."""
        ...


def unscored(scorer: str, reason: str) -> Unscored:
    return Unscored(scorer=scorer, reason=reason)


def sureness_by(times: float) -> float:
    """How sure a finding is that is so many times its standard error: 1/2 for one, 3/4 for three, 0.9 for nine."""
    return times / (1.0 + times)
