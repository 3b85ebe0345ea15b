"""How often images are drawn: repeats, epochs and steps from each other (S0-25 to S0-27), and how training is
shared between folders (S4-10). The plan of a grid counts exactly, in buckets; this is for deciding beforehand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from train_tools.errors import DatasetNotUsableError

FEW_STEPS_PER_IMAGE, MANY_STEPS_PER_IMAGE = 100, 200
"""Between them one guide wants the steps for each training image (S0-26)."""
STEPS_PER_CONCEPT = 1000
"""What another guide wants in all (S3-13), however many images there are."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Repeats, epochs and the steps they make."""

    images: int
    batch: int
    repeats: int
    epochs: int
    concepts: int = 1

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(self.images * self.repeats / self.batch)

    @property
    def steps(self) -> int:
        return self.steps_per_epoch * self.epochs

    @property
    def steps_per_image(self) -> float:
        return self.steps / self.images

    @property
    def amount(self) -> str:
        """Where the steps per image lie: "below", "inside" or "above" what is advised."""
        if self.steps_per_image < FEW_STEPS_PER_IMAGE:
            return "below"
        return "above" if self.steps_per_image > MANY_STEPS_PER_IMAGE else "inside"

    @property
    def steps_per_concept(self) -> float:
        return self.steps / self.concepts


def solved(
    images: int,
    *,
    steps: int | None = None,
    repeats: int | None = None,
    epochs: int | None = None,
    batch: int = 1,
    concepts: int = 1,
) -> Schedule:
    """The third of steps, repeats and epochs from the other two, at least 1, the nearest where none is exact; the
    schedule says how many steps it really makes. Raises DatasetNotUsableError when not two are given."""
    given = {"images": images, "batch": batch, "steps": steps, "repeats": repeats, "epochs": epochs}
    for name, value in given.items():
        if value is not None and value < 1:
            raise DatasetNotUsableError(f"{name} = {value} can't be used: it has to be 1 or more.")
    if [steps, repeats, epochs].count(None) != 1:
        raise DatasetNotUsableError("Give two of steps, repeats and epochs: the third follows.")
    if repeats is None:
        assert steps is not None and epochs is not None, "two are given"
        repeats = _nearest(Fraction(steps * batch, images * epochs))
    elif epochs is None:
        assert steps is not None, "two are given"
        epochs = _nearest(Fraction(steps, math.ceil(images * repeats / batch)))
    return Schedule(images=images, batch=batch, repeats=repeats, epochs=epochs, concepts=concepts)


def shares(folders: Sequence[tuple[int, int]]) -> tuple[float, ...]:
    """The part of training that each folder of (images, repeats) has: two images 20 times and one 10 times are
    0.8 and 0.2."""
    drawn = [images * repeats for images, repeats in folders]
    return tuple(each / sum(drawn) if sum(drawn) else 0.0 for each in drawn)


def _nearest(exact: Fraction) -> int:
    return max(1, math.floor(exact + Fraction(1, 2)))
