"""Regularisation images: pictures of the class that is trained, without what is new about the subject."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from train_tools.errors import OptionValueError

MOST_IMAGES = 10_000


@dataclass(frozen=True, kw_only=True)
class RegularisationWish:
    """What somebody wants made. Where a field is empty, the version says."""

    class_name: str = ""
    """The class of the training folder; needed where there are several."""
    without: tuple[str, ...] = ()
    """Words that name the subject; by default the trigger words."""
    word: str = ""
    """What to say in their place, as `woman`; by default the class without them."""
    images: int = 0
    """0 = as many as the class has training images."""
    repeats: int = 1
    seed: int = 1
    """Of the first picture; each next one has the next."""
    steps: int | None = None
    sampler: str = ""
    guidance: float | None = None
    negative_prompt: str | None = None
    width_px: int | None = None
    height_px: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.images <= MOST_IMAGES:
            raise OptionValueError(f"{self.images} regularisation images: 0 to {MOST_IMAGES} can be made.")
        if not 1 <= self.repeats <= 100_000:
            raise OptionValueError(f"{self.repeats} repeats can't be used: 1 to 100000 are allowed.")


@dataclass(frozen=True, kw_only=True)
class RegularisationPlan:
    """What would be made: so many pictures of these prompts, each in turn."""

    folder: str
    """Below `reg`."""
    prompts: tuple[str, ...]
    images: int
    missing: int
    """Pictures that no set holds yet; the others are taken from there."""
    set_folder: Path


@dataclass(frozen=True, kw_only=True)
class RegularisationSet:
    """Pictures of one class by one base model, kept for all versions of the outputs folder."""

    name: str
    """`<base model>/<class>`."""
    folder: Path
    images: int
