"""How far previews are from those of the base model alone, of the same prompt and seed: a LoRA that changes no
picture has no effect (S0-44)."""

from __future__ import annotations

from statistics import mean, stdev

from train_tools.model.score import Remark, Score, Unscored
from train_tools.scoring.features import distance, features_of
from train_tools.scoring.scorer import Subject, sureness_by, unscored

NAME = "change"
NOTHING = 0.004
"""About one shade of 256: what rounding does."""


def score(subject: Subject) -> Score | Unscored:
    """The mean distance of previews to the base model's."""
    pairs = [(each.file, each.base) for each in subject.pictures if each.base is not None]
    looked = [features_of(pair) for pair in pairs]
    distances = [distance(*found) for found in looked if len(found) == 2]
    if not distances:
        return unscored(NAME, "There are no previews of it beside those of the base model: `train-tools preview`.")
    value = mean(distances)
    none = value < NOTHING
    return Score(
        scorer=NAME,
        value=value,
        error=stdev(distances) / len(distances) ** 0.5 if len(distances) > 1 else value,
        confidence=sureness_by(len(distances)),
        evidence=f"{len(distances)} previews differ by {value:.3f} from those of the base model (0 = the same)"
        + (": nobody would see it." if none else "."),
        remarks=(Remark.NO_EFFECT,) if none else (),
    )
