"""How alike previews are to training images, as CLIP and as DINOv2 see it: the mean cosine similarity of each
preview to each training image (CLIP-I and DINO of DreamBooth, Ruiz et al., arXiv 2208.12242). DINOv2 tells one
subject of a kind from another better than CLIP does. Both also rise where training images are merely copied."""

from __future__ import annotations

from functools import partial
from statistics import mean, stdev

from train_tools.model.score import Score, Unscored
from train_tools.scoring.galleries import Seen, seen_by
from train_tools.scoring.lookers import CLIP, DINO, model_named
from train_tools.scoring.scorer import Subject, sureness_by, unscored

CLIP_NAME, DINO_NAME = "clip-likeness", "dino-likeness"
MOST_CONFIDENCE = {CLIP.name: 0.5, DINO.name: 0.6}
LIKENESS = "likeness"


def score(subject: Subject, *, scorer: str, looker: str) -> Score | Unscored:
    """The mean similarity, from -1 to 1."""
    seen = seen_by(looker, scorer, subject)
    if isinstance(seen, Unscored):
        return seen
    own, base = Seen.numbers(seen.own, LIKENESS), Seen.numbers(seen.base, LIKENESS)
    if not own:
        return unscored(scorer, "Its previews, or the images that it was trained on, can't be read.")
    before = mean(base) if base else None
    words = f"{model_named(looker).title} finds {len(own)} previews {mean(own):.2f} alike to the training images"
    words += f", those of the base model {before:.2f}" if before is not None else ""
    words += f", these among themselves {seen.training:.2f}" if seen.training is not None else ""
    return Score(
        scorer=scorer,
        value=mean(own),
        error=stdev(own) / len(own) ** 0.5 if len(own) > 1 else abs(mean(own)),
        confidence=MOST_CONFIDENCE[looker] * sureness_by(len(own)),
        evidence=f"{words}.",
        details={"base": before, "between training images": seen.training},
    )


by_clip = partial(score, scorer=CLIP_NAME, looker=CLIP.name)
by_dino = partial(score, scorer=DINO_NAME, looker=DINO.name)
