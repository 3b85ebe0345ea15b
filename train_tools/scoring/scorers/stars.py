"""The stars that the user gave a checkpoint. Three are the middle: they speak neither for it nor against it,
whether or not others have stars."""

from __future__ import annotations

from train_tools.model.score import Score, Unscored
from train_tools.scoring.scorer import Subject, unscored

NAME = "stars"
MIDDLE = 3.0
WAVERING = 1.0
"""Stars by which the same person rates the same pictures otherwise another day; an estimate."""
CONFIDENCE = 0.8


def score(subject: Subject) -> Score | Unscored:
    """From 1 to 5."""
    if not subject.stars:
        return unscored(NAME, "It has no stars: `train-tools checkpoints rate`.")
    return Score(
        scorer=NAME,
        value=float(subject.stars),
        error=WAVERING,
        confidence=CONFIDENCE,
        evidence=f"You gave it {subject.stars} of 5 stars.",
    )
