"""How well previews still show what their prompts say, as CLIP sees it: the cosine similarity of picture and
prompt (CLIP-T of DreamBooth, Ruiz et al., arXiv 2208.12242). A LoRA that was trained for too long paints its
subject whatever the prompt asks for; CLIP does not know the trigger word, so it speaks for the rest of the
prompt."""

from __future__ import annotations

from statistics import mean, stdev

from train_tools.model.score import Score, Unscored
from train_tools.scoring.galleries import Seen, seen_by
from train_tools.scoring.lookers import CLIP
from train_tools.scoring.scorer import Subject, sureness_by, unscored

NAME = "adherence"
ADHERENCE = "adherence"
MOST_CONFIDENCE = 0.5


def score(subject: Subject) -> Score | Unscored:
    """The mean similarity, from -1 to 1; about 0.2 to 0.35 is usual."""
    seen = seen_by(CLIP.name, NAME, subject)
    if isinstance(seen, Unscored):
        return seen
    own, base = Seen.numbers(seen.own, ADHERENCE), Seen.numbers(seen.base, ADHERENCE)
    if not own:
        return unscored(NAME, "Its previews have no prompts, or can't be read.")
    before = mean(base) if base else None
    words = f"CLIP finds {len(own)} previews {mean(own):.3f} alike to what their prompts say"
    words += f", those of the base model {before:.3f}" if before is not None else ""
    return Score(
        scorer=NAME,
        value=mean(own),
        error=stdev(own) / len(own) ** 0.5 if len(own) > 1 else abs(mean(own)),
        confidence=MOST_CONFIDENCE * sureness_by(len(own)),
        evidence=f"{words}.",
        details={"base": before},
    )
