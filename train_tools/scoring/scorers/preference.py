"""What people preferred who saw pairs of pictures without names (see `train_tools.scoring.votes`)."""

from __future__ import annotations

from train_tools.model.score import Score, Unscored
from train_tools.scoring.scorer import Subject, unscored

NAME = "votes"


def score(subject: Subject) -> Score | Unscored:
    """The middle of the Wilson interval of its share of wins: few votes lie near 0.5."""
    tally = subject.tally
    if not tally.votes:
        return unscored(NAME, "Nobody has voted on it yet.")
    low, high = tally.interval
    return Score(
        scorer=NAME,
        value=(low + high) / 2,
        error=(high - low) / 4,
        confidence=1.0 - (high - low),
        evidence=f"Preferred in {tally.wins:g} of {tally.votes} blind comparisons: {low:.0%} to {high:.0%} of "
        "all, with 95 % likelihood.",
        details={"wins": tally.wins, "votes": tally.votes, "low": low, "high": high},
    )
