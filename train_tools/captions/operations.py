"""What can be done to many captions at once. Each operation turns one caption into another and knows no file."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Protocol

import regex

from train_tools.captions.table import frequencies
from train_tools.captions.tags import plain, spaced, underscored, with_tags
from train_tools.errors import OptionValueError
from train_tools.model.captions import CaptionedImage, CaptionEdit, EditKind, Trigger, TriggerPolicy

LONGEST_CAPTION = 20_000
"""Letters."""
PATIENCE_S = 5.0
"""So long may a pattern take, for all captions together."""
LONGEST_PATTERN = 1000


class Operation(Protocol):
    @property
    def in_words(self) -> str:
        """What it does, for the list of edits."""

    def applied(self, caption: str, image: CaptionedImage) -> str:
        """The caption as it is to be; "" takes its file away."""


@dataclass(frozen=True, kw_only=True)
class Add:
    """Puts tags in front of the others, or behind the last and before sentences. A tag that is there already moves
    to the front, or stays where it is."""

    tags: tuple[str, ...]
    front: bool = False

    @property
    def in_words(self) -> str:
        return f"add {_listed(self.tags)} {'in front' if self.front else 'at the end'}"

    def applied(self, caption: str, image: CaptionedImage) -> str:
        return with_tags(caption, self._added)

    def _added(self, tags: tuple[str, ...]) -> Iterable[str]:
        if self.front:
            return (*self.tags, *_without(tags, self.tags))
        there = {plain(tag) for tag in tags}
        return (*tags, *(tag for tag in self.tags if plain(tag) not in there))


@dataclass(frozen=True, kw_only=True)
class Remove:
    tags: tuple[str, ...]

    @property
    def in_words(self) -> str:
        return f"remove {_listed(self.tags)}"

    def applied(self, caption: str, image: CaptionedImage) -> str:
        return with_tags(caption, lambda tags: _without(tags, self.tags))


@dataclass(frozen=True, kw_only=True)
class Replace:
    """Another tag, or several, in the place of one. Where the new one is there already, it is not there twice."""

    old: str
    new: tuple[str, ...]

    @property
    def in_words(self) -> str:
        return f"replace {self.old} by {_listed(self.new) or 'nothing'}"

    def applied(self, caption: str, image: CaptionedImage) -> str:
        return with_tags(caption, self._replaced)

    def _replaced(self, tags: tuple[str, ...]) -> Iterable[str]:
        old = plain(self.old)
        if old not in map(plain, tags):
            return tags
        renamed = [new for tag in tags for new in (self.new if plain(tag) == old else (tag,))]
        twice = {plain(new) for new in self.new}
        return [
            tag
            for place, tag in enumerate(renamed)
            if plain(tag) not in twice or plain(tag) not in map(plain, renamed[:place])
        ]


@dataclass(frozen=True, kw_only=True)
class Dedupe:
    """Leaves each tag once, where it stands first."""

    in_words = "take out repeated tags"

    def applied(self, caption: str, image: CaptionedImage) -> str:
        return with_tags(caption, _once)


@dataclass(frozen=True, kw_only=True)
class Sort:
    """Sorts tags by the alphabet, or the commonest first; the trigger words that stand in front stay there."""

    trigger: Trigger
    frequency: Counter[str] | None = None

    @property
    def in_words(self) -> str:
        return "sort tags by the alphabet" if self.frequency is None else "sort tags, the commonest first"

    def applied(self, caption: str, image: CaptionedImage) -> str:
        words = set(map(plain, self.trigger.words_for(image.class_name)))
        return with_tags(caption, lambda tags: self._sorted(tags, words))

    def _sorted(self, tags: tuple[str, ...], words: set[str]) -> Iterable[str]:
        kept = list(takewhile(lambda tag: plain(tag) in words, tags))
        return (*kept, *sorted(tags[len(kept) :], key=self._key))

    def _key(self, tag: str) -> tuple[int, str]:
        return -self.frequency[plain(tag)] if self.frequency is not None else 0, plain(tag)


@dataclass(frozen=True, kw_only=True)
class Spaces:
    """Underscores to spaces, or back: an underscore costs the text encoder a token (S4-13). Faces as ^_^ stay."""

    back: bool = False

    @property
    def in_words(self) -> str:
        return "spaces to underscores" if self.back else "underscores to spaces"

    def applied(self, caption: str, image: CaptionedImage) -> str:
        return with_tags(caption, lambda tags: map(underscored if self.back else spaced, tags))


@dataclass(frozen=True, kw_only=True)
class Write:
    """One text for all."""

    text: str

    @property
    def in_words(self) -> str:
        return f"write {self.text[:60]!r}"

    def applied(self, caption: str, image: CaptionedImage) -> str:
        return self.text


@dataclass(frozen=True, kw_only=True)
class Obey:
    """Makes captions obey the trigger's policy: its words in front, in their order, or nowhere (S0-24, S3-09)."""

    trigger: Trigger

    @property
    def in_words(self) -> str:
        words = self.trigger.words or ", ".join(self.trigger.classes.values())
        return f"trigger {words!r}: {TriggerPolicy(self.trigger.policy)}"

    def applied(self, caption: str, image: CaptionedImage) -> str:
        words = self.trigger.words_for(image.class_name)
        if self.trigger.policy == TriggerPolicy.PREFIX:
            return with_tags(caption, lambda tags: (*words, *_without(tags, words)))
        if self.trigger.policy == TriggerPolicy.CLASS_ONLY:
            return with_tags(caption, lambda tags: _without(tags, words))
        return caption


class Pattern:
    """A regular expression over the whole text, sentences included. It has some seconds for all captions together:
    patterns that take for ever are easily written."""

    def __init__(self, find: str, put: str, *, any_case: bool = False, patience_s: float = PATIENCE_S) -> None:
        if not find or max(len(find), len(put)) > LONGEST_PATTERN:
            raise OptionValueError(
                f"A pattern needs something to find, and has {LONGEST_PATTERN} letters at most."
            )
        self.in_words = f"pattern {find!r} to {put!r}"
        self._put = put
        self._left_s = self._patience_s = patience_s
        try:
            self._pattern = regex.compile(find, regex.IGNORECASE if any_case else 0)
        except regex.error as error:
            raise OptionValueError(f"The pattern {find!r} to {put!r} can't be read: {error}.") from error

    def applied(self, caption: str, image: CaptionedImage) -> str:
        begun = time.monotonic()
        try:
            changed: str = self._pattern.sub(self._put, caption, timeout=max(self._left_s, 0.001), concurrent=True)
        except regex.error as error:  # what to put is read only when something was found
            raise OptionValueError(f"The pattern can't be put as {self._put!r}: {error}.") from error
        except TimeoutError as error:
            raise OptionValueError(
                f"The pattern {self._pattern.pattern!r} was given up at {image.image} after "
                f"{self._patience_s:g} s. "
                "Nothing was changed. Write it without repetitions in repetitions, as (a+)+."
            ) from error
        self._left_s -= time.monotonic() - begun
        return changed


def operation_of(edit: CaptionEdit, trigger: Trigger, images: Sequence[CaptionedImage]) -> Operation:
    """The operation that somebody asks for. `trigger` is the version's, whose words stay in front when tags are
    sorted; by frequency among `images`. Raises OptionValueError."""
    if edit.kind not in _MAKERS:
        raise OptionValueError(f"There is no edit {edit.kind!r}. There are: {', '.join(_MAKERS)}.")
    return _MAKERS[EditKind(edit.kind)](edit, trigger, images)


def applied(operation: Operation, image: CaptionedImage) -> str:
    """The image's caption as the operation makes it, without blanks around it. Raises OptionValueError when it
    gets too long."""
    caption = operation.applied(image.caption or "", image).strip()
    if len(caption) > LONGEST_CAPTION:
        raise OptionValueError(
            f"The caption of {image.image} would have {len(caption):,} letters; {LONGEST_CAPTION:,} are allowed."
        )
    return caption


def tags_in(text: str) -> tuple[str, ...]:
    """Tags as somebody typed them, with commas between. Raises OptionValueError when there are none."""
    tags = tuple(tag for part in text.split(",") if (tag := " ".join(part.split())))
    if not tags:
        raise OptionValueError(f"{text!r} names no tag. Write them with commas between: red hat, smile.")
    return tags


def _add(edit: CaptionEdit, trigger: Trigger, images: Sequence[CaptionedImage]) -> Operation:
    return Add(tags=tags_in(edit.put), front=edit.front)


def _remove(edit: CaptionEdit, trigger: Trigger, images: Sequence[CaptionedImage]) -> Operation:
    return Remove(tags=tags_in(edit.put))


def _replace(edit: CaptionEdit, trigger: Trigger, images: Sequence[CaptionedImage]) -> Operation:
    (old, *more) = tags_in(edit.find)
    if more:
        raise OptionValueError(f"One tag at a time can be replaced; {edit.find!r} are several.")
    return Replace(old=old, new=tags_in(edit.put) if edit.put.strip() else ())


def _pattern(edit: CaptionEdit, trigger: Trigger, images: Sequence[CaptionedImage]) -> Operation:
    return Pattern(edit.find, edit.put, any_case=edit.any_case)


def _sort(edit: CaptionEdit, trigger: Trigger, images: Sequence[CaptionedImage]) -> Operation:
    kept = trigger if trigger.policy == TriggerPolicy.PREFIX else Trigger()
    return Sort(trigger=kept, frequency=frequencies(images) if edit.commonest_first else None)


def _obey(edit: CaptionEdit, trigger: Trigger, images: Sequence[CaptionedImage]) -> Operation:
    if trigger.policy == TriggerPolicy.NONE:
        raise OptionValueError("The version has no trigger words to apply. Set them first, with a policy.")
    return Obey(trigger=trigger)


_MAKERS: Mapping[EditKind, Callable[[CaptionEdit, Trigger, Sequence[CaptionedImage]], Operation]] = {
    EditKind.ADD: _add,
    EditKind.REMOVE: _remove,
    EditKind.REPLACE: _replace,
    EditKind.PATTERN: _pattern,
    EditKind.SORT: _sort,
    EditKind.DEDUPE: lambda edit, trigger, images: Dedupe(),
    EditKind.SPACES: lambda edit, trigger, images: Spaces(),
    EditKind.UNDERSCORES: lambda edit, trigger, images: Spaces(back=True),
    EditKind.TRIGGER: _obey,
    EditKind.WRITE: lambda edit, trigger, images: Write(text=edit.put),
}


def _once(tags: Iterable[str]) -> list[str]:
    first: dict[str, str] = {}
    for tag in tags:
        first.setdefault(plain(tag), tag)
    return list(first.values())


def _without(tags: Iterable[str], unwanted: Iterable[str]) -> list[str]:
    plainly = {plain(tag) for tag in unwanted}
    return [tag for tag in tags if plain(tag) not in plainly]


def _listed(tags: Sequence[str]) -> str:
    return ", ".join(tags)
