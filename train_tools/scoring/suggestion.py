"""From the scores of many checkpoints to an order and a suggestion, with reasons, doubts and a confidence.

Each scorer ranks by standard spreads from the middle of all compared, where a spread is never less than what its
numbers vary by chance, so that small differences stay small. Its voice is its weight times how sure it is. What is
burnt comes last and what has no effect before it, whatever else speaks for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import mean, pstdev

from train_tools.model.score import Remark, Score, ScoredCheckpoint, SuggestedCheckpoint
from train_tools.scoring.registry import scorer_named
from train_tools.scoring.scorer import Better, sureness_by

FARTHEST = 3.0
"""Spreads that count at most: one wild number does not decide alone."""
REMARKED = {Remark.ALIKE: 0.5, Remark.COPIES: 0.5}
"""What is taken off for remarks that make doubt, in spreads."""
WORST = (Remark.BURNT, Remark.NO_EFFECT)
"""Never suggested, and ranked last, the first of them at the very end."""
FINER = 0.5
"""Spreads by which the first has to lead to be sure by half."""
WITHOUT_PEOPLE = 0.8
"""The most that numbers alone are sure of: nobody has looked."""
MEASURED = "fixed-noise"
PEOPLE = frozenset({"votes", "stars"})
"""Scorers by which people speak."""


def ranked(checkpoints: Sequence[ScoredCheckpoint]) -> tuple[ScoredCheckpoint, ...]:
    """The same checkpoints in the same order, with totals and places."""
    voices = {name: _standing(checkpoints, name) for name in _ranking(checkpoints)}
    totals = [_total(checkpoint, place, voices) for place, checkpoint in enumerate(checkpoints)]
    judged = [replace(each, total=total) for each, total in zip(checkpoints, totals, strict=True)]
    order = sorted((each for each in judged if _is_judged(each)), key=_best_first)
    places = {each.path: place for place, each in enumerate(order, 1)}
    return tuple(replace(each, place=places.get(each.path)) for each in judged)


def suggestion(checkpoints: Sequence[ScoredCheckpoint]) -> SuggestedCheckpoint | None:
    """The first of ranked checkpoints; None where nothing ranks them or none is any good."""
    order = sorted((each for each in checkpoints if each.place is not None), key=lambda each: each.place or 0)
    good = [each for each in order if each.total is not None and not _worst(each)]
    if not good:
        return None
    best = good[0]
    others = [each for each in good[1:] if each.total is not None]
    return SuggestedCheckpoint(
        path=best.path,
        confidence=_confidence(best, others),
        reasons=tuple(_reasons(best, order)),
        doubts=(*_doubts(best, others), *_other_favourites(best, good)),
    )


def _ranking(checkpoints: Sequence[ScoredCheckpoint]) -> list[str]:
    """The scorers that rank, of those that have scored any."""
    names = dict.fromkeys(name for each in checkpoints for name in each.scores)
    return [name for name in names if scorer_named(name).better is not Better.NEITHER]


def _standing(checkpoints: Sequence[ScoredCheckpoint], scorer: str) -> dict[int, tuple[float, float]]:
    """By place of the checkpoint: how many spreads it is better than the middle, and with what voice. Middle and
    spread are those of what is not ruled out: next to a burnt one all others would look the same."""
    scores = {
        place: score
        for place, each in enumerate(checkpoints)
        if (score := each.scores.get(scorer)) is not None and score.value is not None
    }
    if not scores:
        return {}
    values = [_value(score) for place, score in scores.items() if _worst(checkpoints[place]) is None]
    values = values or [_value(score) for score in scores.values()]
    way = scorer_named(scorer)
    middle = mean(values) if way.middle is None else way.middle
    chance = mean(score.error for score in scores.values())
    spread = max(pstdev(values), chance) or 1.0
    return {
        place: (
            max(-FARTHEST, min(FARTHEST, way.better.value * (_value(score) - middle) / spread)),
            way.weight * score.confidence,
        )
        for place, score in scores.items()
    }


def _value(score: Score) -> float:
    assert score.value is not None, "scores without a number do not rank"
    return score.value


def _total(
    checkpoint: ScoredCheckpoint, place: int, voices: Mapping[str, Mapping[int, tuple[float, float]]]
) -> float | None:
    heard = [voice[place] for voice in voices.values() if place in voice]
    weight = sum(loudness for _, loudness in heard)
    if not weight:
        return None
    doubt = sum(REMARKED.get(remark, 0.0) for remark in checkpoint.remarks)
    return sum(standing * loudness for standing, loudness in heard) / weight - doubt


def _worst(checkpoint: ScoredCheckpoint) -> Remark | None:
    """What rules it out, unless what was measured with the model itself is surer of the contrary."""
    accused = {
        remark: max(score.confidence for score in checkpoint.scores.values() if remark in score.remarks)
        for remark in WORST
        if remark in checkpoint.remarks
    }
    measured = checkpoint.scores.get(MEASURED)
    defence = measured.confidence if measured is not None and not set(WORST) & set(measured.remarks) else 0.0
    return next((remark for remark, confidence in accused.items() if confidence >= defence), None)


def _is_judged(checkpoint: ScoredCheckpoint) -> bool:
    return checkpoint.total is not None or _worst(checkpoint) is not None


def _best_first(checkpoint: ScoredCheckpoint) -> tuple[int, float]:
    worst = _worst(checkpoint)
    badness = len(WORST) - WORST.index(worst) if worst else 0
    return badness, -(checkpoint.total if checkpoint.total is not None else -FARTHEST)


def _confidence(best: ScoredCheckpoint, others: Sequence[ScoredCheckpoint]) -> float:
    """How clearly it leads, times how sure its scores are."""
    sure = max((score.confidence for name, score in best.scores.items() if _ranks(name)), default=0.0)
    lead = min(((best.total or 0.0) - (other.total or 0.0) for other in others), default=FINER)
    limit = 1.0 if PEOPLE & best.scores.keys() else WITHOUT_PEOPLE
    return min(limit, sure * sureness_by(max(0.0, lead) / FINER))


def _other_favourites(best: ScoredCheckpoint, good: Sequence[ScoredCheckpoint]) -> list[str]:
    """Scorers that speak for another one by more than chance."""
    doubts = []
    for name in _ranking(good):
        standing, scorer = _standing(good, name), scorer_named(name)
        first = max(standing, key=lambda place: standing[place][0])
        own, theirs = best.scores.get(name), good[first].scores[name]
        if own is None or own.value is None:
            continue
        lead = scorer.better.value * (_value(theirs) - own.value)
        if lead > own.error + theirs.error:
            doubts.append(f"By {scorer.title} alone it would be {good[first].label} {good[first].name}.")
    return doubts


def _ranks(scorer: str) -> bool:
    return scorer_named(scorer).better is not Better.NEITHER


def _reasons(best: ScoredCheckpoint, order: Sequence[ScoredCheckpoint]) -> list[str]:
    reasons = [score.evidence for name, score in best.scores.items() if _ranks(name)]
    for remark in WORST:
        left_out = sum(_worst(each) is remark for each in order)
        if left_out:
            reasons.append(f"{left_out} of {len(order)} were left out: {remark}.")
    return reasons


def _doubts(best: ScoredCheckpoint, others: Sequence[ScoredCheckpoint]) -> list[str]:
    doubts = [score.evidence for score in best.scores.values() if {*REMARKED, *WORST} & set(score.remarks)]
    near = [each for each in others if (best.total or 0.0) - (each.total or 0.0) < FINER]
    if near:
        named = ", ".join(f"{each.label} {each.name}" for each in near[:3])
        more = f" and {len(near) - 3} more" if len(near) > 3 else ""
        doubts.append(f"About as good: {named}{more}.")
    if {name for name in best.scores if _ranks(name)} <= {MEASURED}:
        doubts.append("Only images that were trained on speak for it: longer training always looks better there.")
    if "votes" not in best.scores:
        doubts.append("Nobody has compared pictures blindly yet.")
    return doubts
