"""How many of the prompt's tags a tagger finds on previews, of those that it knows at all: a trigger word is
none of them, a prompt in sentences has none."""

from __future__ import annotations

from collections import Counter
from statistics import mean, stdev

from train_tools.model.score import Score, Unscored
from train_tools.scoring.galleries import Seen, seen_by
from train_tools.scoring.lookers import TAGGER
from train_tools.scoring.scorer import Subject, sureness_by, unscored

NAME = "tag-recall"
RECALL = "recall"
MOST_CONFIDENCE = 0.5
NAMED = 3


def score(subject: Subject) -> Score | Unscored:
    """The mean share that is found, from 0 to 1."""
    seen = seen_by(TAGGER, NAME, subject)
    if isinstance(seen, Unscored):
        return seen
    own, base = Seen.numbers(seen.own, RECALL), Seen.numbers(seen.base, RECALL)
    if not own:
        return unscored(NAME, "The tagger knows none of the prompt's tags: it needs prompts of tags with commas.")
    asked = sum(int(row["asked"]) for row in seen.own)
    missed = Counter(str(tag) for row in seen.own for tag in row["missed"])
    before = mean(base) if base else None
    words = f"The tagger finds {asked - missed.total()} of {asked} tags of the prompts on {len(own)} previews"
    words += f" ({before:.0%} on those of the base model)" if before is not None else ""
    most = ", ".join(tag for tag, _ in missed.most_common(NAMED))
    return Score(
        scorer=NAME,
        value=mean(own),
        error=max(stdev(own) if len(own) > 1 else 0.0, 1 / asked) / len(own) ** 0.5,
        confidence=MOST_CONFIDENCE * sureness_by(asked / 4),
        evidence=f"{words}; missed most: {most}." if most else f"{words}.",
        details={"base": before, "missed": dict(missed.most_common())},
    )
