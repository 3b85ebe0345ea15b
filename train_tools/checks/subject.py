"""What the checks look at: the training images as they lie there, and how they are to be trained."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sd_contract.images.buckets import BucketRule
from sd_contract.images.image_files import some
from sd_contract.images.image_sizes import Size
from train_tools.checks.looks import Look
from train_tools.datasets.folders import parsed
from train_tools.model.base_model import StyleOfModel
from train_tools.model.captions import CaptionedImage, TokenReport, Trigger
from train_tools.model.checks import Cure, DatasetFinding, FolderShare, shares_of
from train_tools.model.dataset import Rejected
from train_tools.model.finding import Level

MADE_BY_PREPARATION = re.compile(r"(.*/[0-9]{5,})-[0-9]+-")


@dataclass(frozen=True, kw_only=True)
class Subject:
    images: Sequence[CaptionedImage]
    looks: Mapping[str, Look]
    """By image, of those whose pixels were looked at."""
    option: Callable[[str], Any]
    """An option of the version, the trainer's default where it is not set."""
    rule: BucketRule
    trigger: Trigger = field(default_factory=Trigger)
    model_px: int = 0
    """The side that the base model was taught at; 0 where that is not known."""
    style: StyleOfModel | None = None
    tokens: TokenReport | None = None
    """None where no vocabulary is at hand to count with."""
    regularisation: Mapping[str, int] = field(default_factory=dict)
    """Images in the folders of `reg`, by name."""

    unmasked: tuple[str, ...] = ()
    """Images without a mask, where masks are to weigh the loss."""
    misfits: tuple[Rejected, ...] = ()
    """Masks that fit no image, and why."""

    @cached_property
    def sizes(self) -> Mapping[str, Size]:
        return {image.image: image.size for image in self.images if image.size}

    @cached_property
    def shares(self) -> tuple[FolderShare, ...]:
        folders: dict[str, int] = {}
        for image in self.images:
            name = folder_of(image.image)
            folders[name] = folders.get(name, 0) + 1
        return shares_of({name: (count, (parsed(name) or (1, ""))[0]) for name, count in folders.items()})

    def originals(self) -> Iterator[tuple[str, ...]]:
        """The images of each original together: its parts, its copies."""
        groups: dict[str, list[str]] = {}
        for image in self.images:
            groups.setdefault(original_of(image.image), []).append(image.image)
        yield from map(tuple, groups.values())


def folder_of(image: str) -> str:
    return image.partition("/")[0]


def original_of(image: str) -> str:
    """What images of one original have in common."""
    made = MADE_BY_PREPARATION.match(image)
    return made[1] if made else image


def warning(
    check: str, message: str, images: Sequence[str] = (), cure: str = "", remedy: Cure | None = None
) -> DatasetFinding:
    return DatasetFinding(
        check=check, level=Level.WARNING, message=message, images=tuple(images), cure=cure, remedy=remedy
    )


def fine(check: str, message: str, images: Sequence[str] = ()) -> DatasetFinding:
    return DatasetFinding(check=check, level=Level.OK, message=message, images=tuple(images))


def named(images: Sequence[str]) -> str:
    """The first few of many."""
    return some(list(images))


def count(number: int, noun: str = "image") -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
