"""Which scorers there are. A new one is a file in `scorers/` and a line here."""

from __future__ import annotations

from collections.abc import Sequence

from train_tools.errors import OptionValueError
from train_tools.scoring.scorer import Better, Scorer
from train_tools.scoring.scorers import (
    adherence,
    change,
    diversity,
    effect,
    fixed_noise,
    likeness,
    preference,
    resemblance,
    stars,
    tag_recall,
    validation,
)

SCORERS = (
    Scorer(
        name=preference.NAME,
        title="blind votes",
        better=Better.HIGHER,
        weight=2.0,
        score=preference.score,
    ),
    Scorer(
        name=stars.NAME,
        title="stars",
        better=Better.HIGHER,
        weight=1.5,
        score=stars.score,
        middle=stars.MIDDLE,
    ),
    Scorer(
        name=validation.NAME,
        title="validation loss",
        better=Better.LOWER,
        weight=1.5,
        score=validation.score,
    ),
    Scorer(
        name=fixed_noise.NAME,
        title="loss with fixed noise",
        better=Better.HIGHER,
        weight=1.0,
        score=fixed_noise.score,
    ),
    Scorer(
        name=likeness.NAME,
        title="nearness to training images",
        better=Better.LOWER,
        weight=1.0,
        score=likeness.score,
    ),
    Scorer(
        name=resemblance.DINO_NAME,
        title="DINOv2 likeness to training images",
        better=Better.HIGHER,
        weight=0.5,
        score=resemblance.by_dino,
    ),
    Scorer(
        name=resemblance.CLIP_NAME,
        title="CLIP likeness to training images",
        better=Better.HIGHER,
        weight=0.5,
        score=resemblance.by_clip,
    ),
    Scorer(
        name=adherence.NAME,
        title="CLIP likeness to the prompt",
        better=Better.HIGHER,
        weight=1.0,
        score=adherence.score,
    ),
    Scorer(
        name=tag_recall.NAME,
        title="tags found",
        better=Better.HIGHER,
        weight=0.5,
        score=tag_recall.score,
    ),
    Scorer(name=effect.NAME, title="effect", better=Better.NEITHER, weight=0.0, score=effect.score),
    Scorer(name=change.NAME, title="change of pictures", better=Better.NEITHER, weight=0.0, score=change.score),
    Scorer(
        name=diversity.NAME, title="diversity over seeds", better=Better.NEITHER, weight=0.0, score=diversity.score
    ),
)


def chosen_scorers(names: Sequence[str]) -> tuple[Scorer, ...]:
    """Those of these names, all without any. Raises OptionValueError for a name that is none."""
    known = {scorer.name: scorer for scorer in SCORERS}
    for name in names:
        if name not in known:
            raise OptionValueError(f"{name!r} is no scorer. There are: {', '.join(known)}.")
    return tuple(known[name] for name in dict.fromkeys(names)) if names else SCORERS


def scorer_named(name: str) -> Scorer:
    (scorer,) = chosen_scorers([name])
    return scorer
