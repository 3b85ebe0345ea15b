"""What each option of a grid does to a score: the mean over all runs with each of its values, against how much
runs differ that differ in their seed alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, variance
from typing import Any

from train_tools.model.score import BestOf, Effect, ScoredCheckpoint, Sureness
from train_tools.scoring.registry import scorer_named
from train_tools.scoring.scorer import Better, sureness_by

SEED = "seed"


@dataclass(frozen=True, kw_only=True)
class RunOfGrid:
    """A run with what varies in its grid, and its checkpoints."""

    name: str
    varied: Mapping[str, Any]
    checkpoints: Sequence[ScoredCheckpoint]


@dataclass(frozen=True)
class _Result:
    varied: Mapping[str, Any]
    value: float
    checkpoint: ScoredCheckpoint


def main_effects(runs: Sequence[RunOfGrid]) -> tuple[Effect, ...]:
    """Of every option that varies on every score that ranks; the clearest first."""
    scorers = dict.fromkeys(name for run in runs for each in run.checkpoints for name in each.scores)
    options = [name for name in dict.fromkeys(option for run in runs for option in run.varied) if name != SEED]
    effects = []
    for scorer in scorers:
        better = scorer_named(scorer).better
        if better is not Better.NEITHER:
            results = [best for run in runs if (best := _best(run, scorer, better)) is not None]
            found = [_effect(scorer, option, results, better) for option in options]
            effects += [effect for effect in found if effect is not None]
    return tuple(sorted(effects, key=lambda effect: -effect.confidence))


def seed_noise(results: Sequence[tuple[Mapping[str, Any], float]]) -> tuple[float, int] | None:
    """The standard deviation of results that differ in their seed alone, pooled over all such groups, and how many
    comparisons it rests on; None where there is none."""
    repeated = [values for values in _by_cell(results).values() if len(values) > 1]
    free = sum(len(group) - 1 for group in repeated)
    if not free:
        return None
    return math.sqrt(sum(variance(group) * (len(group) - 1) for group in repeated) / free), free


def _best(run: RunOfGrid, scorer: str, better: Better) -> _Result | None:
    results = [
        _Result(run.varied, score.value, each)
        for each in run.checkpoints
        if (score := each.scores.get(scorer)) is not None and score.value is not None
    ]
    return max(results, key=lambda result: better.value * result.value, default=None)


def _effect(scorer: str, option: str, results: Sequence[_Result], better: Better) -> Effect | None:
    groups: dict[Any, list[float]] = {}
    for varied, value in _without_repeats(results):
        if option in varied:
            groups.setdefault(varied[option], []).append(value)
    if len(groups) < 2:
        return None
    means = {value: mean(group) for value, group in groups.items()}
    best = max(means, key=lambda value: better.value * means[value])
    spread = max(means.values()) - min(means.values())
    chance = seed_noise([(result.varied, result.value) for result in results])
    noise = None if chance is None else _noise_of_spread(chance[0], [len(group) for group in groups.values()])
    confidence = 0.0 if noise is None or chance is None else _confidence(spread, noise, chance[1])
    return Effect(
        scorer=scorer,
        option=option,
        means=tuple((value, means[value], len(group)) for value, group in groups.items()),
        errors=tuple(chance[0] / math.sqrt(len(group)) if chance else None for group in groups.values()),
        best=best,
        best_checkpoints=tuple(_best_of(value, option, results, better) for value in groups),
        spread=spread,
        noise=noise,
        confidence=confidence,
        evidence=_sentence(option, best, spread, noise, confidence),
    )


def _best_of(value: Any, option: str, results: Sequence[_Result], better: Better) -> BestOf:
    with_it = [result for result in results if result.varied.get(option) == value]
    best = max(with_it, key=lambda result: better.value * result.value)
    found = best.checkpoint
    return BestOf(value=value, path=found.path, run=found.run, name=found.name, score=best.value)


def _without_repeats(results: Sequence[_Result]) -> list[tuple[Mapping[str, Any], float]]:
    """One result a cell, the mean over its seeds: a cell that was repeated would pull its values' means."""
    return [
        (dict(cell), mean(values))
        for cell, values in _by_cell([(result.varied, result.value) for result in results]).items()
    ]


def _by_cell(results: Sequence[tuple[Mapping[str, Any], float]]) -> dict[tuple[tuple[str, Any], ...], list[float]]:
    cells: dict[tuple[tuple[str, Any], ...], list[float]] = {}
    for varied, value in results:
        cell = tuple((name, each) for name, each in varied.items() if name != SEED)
        cells.setdefault(cell, []).append(value)
    return cells


def _noise_of_spread(deviation: float, sizes: Sequence[int]) -> float:
    """The standard error of the difference of two means of such sizes."""
    return deviation * math.sqrt(2 * mean(1 / size for size in sizes))


def _confidence(spread: float, noise: float, comparisons: int) -> float:
    """By how far the spread is above chance, less where chance is known from few runs."""
    times = spread / noise if noise else math.inf
    known = comparisons / (comparisons + 1.0)
    return (sureness_by(max(0.0, times - 1.0)) if math.isfinite(times) else 1.0) * known


def _sentence(option: str, best: Any, spread: float, noise: float | None, confidence: float) -> str:
    words = f"{option}={best} is best on average, by {spread:.3g} over the worst value"
    if noise is None:
        return f"{words}; whether that is chance can't be told: the grid has no run with another seed."
    sure = "which may be" if Sureness.of(confidence) is Sureness.LOW else "which is more than"
    return f"{words}, {sure} chance: by their seeds alone such means differ by about {noise:.3g}."
