"""What looking at a dataset has found, what puts it right with one word, and what was put right so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from train_tools.errors import OptionValueError
from train_tools.model.finding import Finding


class CureKind(StrEnum):
    """What Train Tools can do about a finding by itself. Each can be undone."""

    SET_OPTIONS = "set_options"
    """`values`: options of the version by name."""
    PUT_ASIDE = "put_aside"
    """`images`: training images that are moved out of the dataset, with captions and masks. Nothing is deleted."""
    EDIT_CAPTIONS = "edit_captions"
    """`edit`: the kind of an edit of many captions; `images`: which, all without it."""
    SET_REPEATS = "set_repeats"
    """`folder`, `repeats`: the training folder is called otherwise."""
    FILL_MASKS = "fill_masks"
    """`images`: training images that get a white mask, by which all of them counts."""


@dataclass(frozen=True, kw_only=True)
class Cure:
    """Raises OptionValueError when the arguments are not those of its kind."""

    kind: CureKind
    arguments: Mapping[str, Any]

    def __post_init__(self) -> None:
        for name, fits in _ARGUMENTS[self.kind].items():
            if not fits(self.arguments.get(name)):
                raise OptionValueError(
                    f"The cure {self.kind.value} can't be applied with {name} = {self.arguments.get(name)!r}. "
                    "Take a cure as a check gave it."
                )

    @property
    def in_words(self) -> str:
        return _WORDS[self.kind](self.arguments)


@dataclass(frozen=True, kw_only=True)
class DatasetFinding(Finding):
    """A finding about training images. `cure` says what to do, `remedy` is that as Train Tools can do it."""

    images: tuple[str, ...] = ()
    """All that it is about, by their paths below `processed`."""
    remedy: Cure | None = None


@dataclass(frozen=True, kw_only=True)
class DatasetCheck:
    """What is known about a version's training images."""

    images: int
    not_looked_at: int
    """Images whose pixels nobody has looked at yet, since they were last changed."""
    findings: tuple[DatasetFinding, ...]

    @property
    def cures(self) -> tuple[DatasetFinding, ...]:
        """The findings that Train Tools can put right; a cure's number is its place here, from 1."""
        return tuple(finding for finding in self.findings if finding.remedy)


@dataclass(frozen=True, kw_only=True)
class CureRecord:
    """A cure that was applied. `before` is what undoes it."""

    number: int
    when: str
    """ISO 8601, UTC."""
    what: str
    kind: str
    undone: bool = False
    before: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class FolderShare:
    """How much of a training is a folder's (S4-10)."""

    folder: str
    images: int
    repeats: int
    share: float
    """Of all that an epoch draws of the folders that are trained."""

    @property
    def draws(self) -> int:
        return self.images * self.repeats


def shares_of(folders: Mapping[str, tuple[int, int]]) -> tuple[FolderShare, ...]:
    """The shares of folders, given as images and repeats by name."""
    total = sum(images * repeats for images, repeats in folders.values()) or 1
    return tuple(
        FolderShare(folder=name, images=images, repeats=repeats, share=images * repeats / total)
        for name, (images, repeats) in folders.items()
    )


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, str) for each in value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


_ARGUMENTS: Mapping[CureKind, Mapping[str, Callable[[Any], bool]]] = {
    CureKind.SET_OPTIONS: {"values": lambda value: isinstance(value, dict) and bool(value)},
    CureKind.PUT_ASIDE: {"images": _are_texts},
    CureKind.EDIT_CAPTIONS: {"edit": _is_text, "images": lambda value: value is None or _are_texts(value)},
    CureKind.FILL_MASKS: {"images": _are_texts},
    CureKind.SET_REPEATS: {"folder": _is_text, "repeats": lambda value: type(value) is int and value > 0},
}


def _setting(told: Mapping[str, Any]) -> str:
    return "set " + ", ".join(f"{name}={_text(value)}" for name, value in told["values"].items())


def _putting_aside(told: Mapping[str, Any]) -> str:
    number = len(told["images"])
    return f"put {number} image{'' if number == 1 else 's'} aside"


_WORDS: Mapping[CureKind, Callable[[Mapping[str, Any]], str]] = {
    CureKind.SET_OPTIONS: _setting,
    CureKind.PUT_ASIDE: _putting_aside,
    CureKind.EDIT_CAPTIONS: lambda told: f"edit captions: {told['edit']}",
    CureKind.FILL_MASKS: lambda told: f"make {len(told['images'])} white masks",
    CureKind.SET_REPEATS: lambda told: f"draw {told['folder']} {told['repeats']} times",
}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
