"""Whether other seeds still make other pictures: a LoRA that paints the same one for every seed was trained for
too long, or on too little."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from statistics import mean, stdev

from train_tools.model.score import Remark, Score, Unscored
from train_tools.scoring.features import distance, features_of
from train_tools.scoring.scorer import Subject, sureness_by, unscored

NAME = "diversity"
TOO_LITTLE = 0.25
"""Of the base model's diversity."""
MOST_CONFIDENCE = 0.6


def score(subject: Subject) -> Score | Unscored:
    """The mean distance of previews of the same prompt from one another."""
    apart = _distances(subject, [each.file for each in subject.pictures])
    if not apart:
        return unscored(NAME, "It needs previews of several seeds: `train-tools preview --seeds 1,2,3,4`.")
    bases = [each.base for each in subject.pictures]
    base = mean(found) if None not in bases and (found := _distances(subject, bases)) else None
    value = mean(apart)
    alike = base is not None and value < TOO_LITTLE * base
    words = f"Previews of the same prompt lie {value:.3f} from one another"
    words += f", those of the base model {base:.3f}" if base is not None else ""
    return Score(
        scorer=NAME,
        value=value,
        error=stdev(apart) / len(apart) ** 0.5 if len(apart) > 1 else value,
        confidence=MOST_CONFIDENCE * sureness_by(len(apart) / 3),
        evidence=f"{words}: the seed hardly matters any more." if alike else f"{words}.",
        remarks=(Remark.ALIKE,) if alike else (),
        details={"base": base},
    )


def _distances(subject: Subject, files: Sequence[Path | None]) -> list[float]:
    """Between the pictures of each prompt."""
    by_prompt: dict[str, list[Path]] = {}
    for pictured, file in zip(subject.pictures, files, strict=True):
        if file is not None:
            by_prompt.setdefault(pictured.prompt, []).append(file)
    return [distance(*pair) for group in by_prompt.values() for pair in combinations(features_of(group), 2)]
