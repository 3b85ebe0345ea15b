"""How near previews come to training images, and whether they are copies of them. Looks at composition, colours
and outlines alone (see `train_tools.scoring.features`): a hint, never the judge of a face or a style."""

from __future__ import annotations

from statistics import mean, median, stdev
from typing import Any

from train_tools.model.score import Remark, Score, Unscored
from train_tools.scoring.features import features_of, nearest
from train_tools.scoring.scorer import Subject, sureness_by, unscored

NAME = "likeness"
MOST_IMAGES = 200
FEWEST_TO_JUDGE_COPIES = 4
COPY = 0.5
"""Previews that lie at less than so much of the distance that training images keep from one another copy them."""
MOST_CONFIDENCE = 0.4


def score(subject: Subject) -> Score | Unscored:
    """The mean distance of previews to the training image nearest to each."""
    pictures = features_of([each.file for each in subject.pictures])
    training = features_of(subject.training[:: max(1, len(subject.training) // MOST_IMAGES)])
    if not pictures:
        return unscored(NAME, "There are no previews of it yet: `train-tools preview`.")
    if not training:
        return unscored(NAME, "The images that it was trained on are gone, or can't be read.")
    distances = [nearest(picture, training) for picture in pictures]
    usual = _usual_distance(training)
    copies = usual is not None and usual > 0 and median(distances) < COPY * usual
    bases = features_of([base for base in dict.fromkeys(each.base for each in subject.pictures) if base])
    before = mean(nearest(base, training) for base in bases) if bases else None
    return Score(
        scorer=NAME,
        value=mean(distances),
        error=stdev(distances) / len(distances) ** 0.5 if len(distances) > 1 else mean(distances),
        confidence=MOST_CONFIDENCE * sureness_by(len(distances)),
        evidence=_sentence(distances, before, usual, copies=copies),
        remarks=(Remark.COPIES,) if copies else (),
        details={"base": before, "between training images": usual},
    )


def _usual_distance(training: list[Any]) -> float | None:
    """From a training image to the one nearest to it, in the middle of all; None for too few to tell."""
    if len(training) < FEWEST_TO_JUDGE_COPIES:
        return None
    return median(
        nearest(image, [*training[:place], *training[place + 1 :]]) for place, image in enumerate(training)
    )


def _sentence(distances: list[float], before: float | None, usual: float | None, *, copies: bool) -> str:
    words = f"{len(distances)} previews lie {mean(distances):.3f} from the training image nearest to each"
    words += f"; those of the base model {before:.3f}" if before is not None else ""
    words += f"; training images from one another {usual:.3f}" if usual is not None else ""
    return f"{words}: they are copies of them." if copies else f"{words}."
