"""Which checkpoints are worth their room: those that the user, a score or their place in the run speaks for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from train_tools.errors import NotFoundError
from train_tools.model.checkpoint import Checkpoint, Keep, KeepBy, MarkedCheckpoint


def those_to_go(marked: Sequence[MarkedCheckpoint], keep: Keep) -> tuple[Checkpoint, ...]:
    """The checkpoints that nothing speaks for, in their order. Raises NotFoundError for a score of none of them:
    scores of something else would keep the wrong ones."""
    known = {each.checkpoint.called for each in marked}
    strangers = sorted(keep.scores.keys() - known)
    if strangers:
        raise NotFoundError(
            f"There is no checkpoint {strangers[0]!r} in this version, though it has a score. Scores go by "
            "RUN/NAME, as `train-tools checkpoints list` shows them."
        )
    best = _best(marked, keep)
    return tuple(
        each.checkpoint
        for each in marked
        if not (
            each.marks.pinned
            or (keep.finals and each.checkpoint.final)
            or (keep.rated and each.marks.rating >= keep.rated)
            or each.checkpoint.called in best
        )
    )


def _best(marked: Sequence[MarkedCheckpoint], keep: Keep) -> set[str]:
    """What has no score, or no star where stars are the scores, is no best."""
    scores = {called: score for called, score in _scores(marked, keep).items() if math.isfinite(score)}
    groups: dict[str, dict[str, float]] = {}
    for each in marked:
        called, run = each.checkpoint.called, each.checkpoint.run if keep.each_run else ""
        if called in scores:
            groups.setdefault(run, {})[called] = scores[called]
    return {called for group in groups.values() for called in _first(group, keep.best)}


def _scores(marked: Sequence[MarkedCheckpoint], keep: Keep) -> Mapping[str, float]:
    """The highest is the best."""
    if keep.scores or keep.by is KeepBy.SCORE:
        return keep.scores
    if keep.by is KeepBy.STEP:
        return {each.checkpoint.called: float(each.checkpoint.step) for each in marked}
    return {each.checkpoint.called: float(each.marks.rating) for each in marked if each.marks.rating}


def _first(scores: Mapping[str, float], count: int) -> set[str]:
    """Those that share the last place stay too: nothing tells which of them is better."""
    ranked = sorted(scores.values(), reverse=True)[:count]
    return {called for called, score in scores.items() if ranked and score >= ranked[-1]}
