"""Scores of checkpoints: what was measured, how sure it is, and what is suggested because of it. A suggestion is
never a choice: people look at the pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from train_tools.errors import OptionValueError


class Remark(StrEnum):
    """What a score says about a checkpoint apart from its number."""

    NO_EFFECT = "no effect"
    """It changes nothing, or next to nothing (S0-44)."""
    BURNT = "burnt"
    """It was trained until it was worse than without it (S0-43)."""
    COPIES = "copies"
    """Its pictures are training images."""
    ALIKE = "alike"
    """Its pictures are alike, whatever the seed."""


class Sureness(StrEnum):
    """A confidence in a word."""

    LOW = "low"
    MODERATE = "moderate"
    HIGH = "high"

    @classmethod
    def of(cls, confidence: float) -> Sureness:
        return cls.HIGH if confidence >= 0.75 else cls.MODERATE if confidence >= 0.45 else cls.LOW


@dataclass(frozen=True, kw_only=True)
class Score:
    """What one scorer found about one checkpoint."""

    scorer: str
    value: float | None
    """None where the number is no finite one: the evidence says why."""
    error: float = 0.0
    """By how much the value would differ in another draw of what was measured with (one standard error)."""
    confidence: float
    """From 0 (a guess) to 1."""
    evidence: str
    """One sentence: what was measured, in numbers."""
    remarks: tuple[Remark, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sureness(self) -> Sureness:
        return Sureness.of(self.confidence)


@dataclass(frozen=True, kw_only=True)
class Unscored:
    """Why a scorer has nothing to say, and what would help."""

    scorer: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class ScoredCheckpoint:
    """A checkpoint with all that is known about it. `place` counts from 1; None where nothing ranks it."""

    run: str
    label: str
    """Of the run, for people."""
    name: str
    path: Path
    epoch: int
    step: int
    images_seen: int
    scores: Mapping[str, Score]
    unscored: tuple[Unscored, ...] = ()
    total: float | None = None
    """How many standard spreads it lies above the middle of all compared, over all scores that rank."""
    place: int | None = None

    @property
    def remarks(self) -> tuple[Remark, ...]:
        return tuple(dict.fromkeys(remark for score in self.scores.values() for remark in score.remarks))


@dataclass(frozen=True, kw_only=True)
class SuggestedCheckpoint:
    """The checkpoint that the evidence speaks for, and how loudly."""

    path: Path
    confidence: float
    reasons: tuple[str, ...]
    doubts: tuple[str, ...] = ()
    """What speaks against it, or is not known."""

    @property
    def sureness(self) -> Sureness:
        return Sureness.of(self.confidence)


@dataclass(frozen=True, kw_only=True)
class BestOf:
    """The checkpoint with the best score of all that were trained with a value of an option."""

    value: Any
    path: Path
    run: str
    name: str
    score: float


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What an option does to a score, over a grid. Each run counts with its best checkpoint."""

    scorer: str
    option: str
    means: tuple[tuple[Any, float, int], ...]
    """(value, mean score, number of runs), in the grid's order."""
    errors: tuple[float | None, ...]
    """Of each mean, one standard error by chance; None where the grid tells nothing of chance."""
    best: Any
    """The value with the best mean."""
    best_checkpoints: tuple[BestOf, ...]
    """Of each value, in the same order."""
    spread: float
    """Between the best and the worst mean."""
    noise: float | None
    """The spread that such means would show by chance, from runs that differ in their seed alone; None where the
    grid has none."""
    confidence: float
    evidence: str


@dataclass(frozen=True, kw_only=True)
class ScoreTable:
    """Scores of a grid's checkpoints, in the order of its runs."""

    grid: str
    checkpoints: tuple[ScoredCheckpoint, ...]
    suggestion: SuggestedCheckpoint | None
    effects: tuple[Effect, ...]
    unmeasured: int
    """How many measurements a job would have to make."""


@dataclass(frozen=True, kw_only=True)
class LossCurve:
    """A run's loss over the images it has seen, so that runs of other batch sizes can be compared."""

    run: str
    label: str
    varied: Mapping[str, Any]
    """What the grid varies, as this run has it."""
    points: tuple[tuple[float, float], ...]
    """(images seen, mean loss since the point before)."""
    validation: tuple[tuple[float, float], ...] = ()
    """(images seen, loss on those that are not trained on)."""
    checkpoints: tuple[tuple[float, str], ...] = ()
    """(images seen, name) of each checkpoint that is there."""


class Preference(StrEnum):
    """What somebody said who saw two pictures and not what made them."""

    FIRST = "first"
    SECOND = "second"
    NEITHER = "neither"
    """They are equally good, or equally bad."""


@dataclass(frozen=True, kw_only=True)
class BlindPair:
    """Two pictures of the same prompt, seed and weight by two checkpoints. Their names are not told before the
    vote. `key` is given back with it."""

    key: str
    """The keys of both pictures, with - between."""
    grid: str
    first: Path
    second: Path
    prompt: str


def member_of(text: str) -> Preference:
    """The preference of that name. Raises OptionValueError for any other."""
    try:
        return Preference(text)
    except ValueError as error:
        raise OptionValueError(f"{text!r} is no vote: first, second or neither are.") from error
