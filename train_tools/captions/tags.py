"""A caption as tags with commas between, and the sentences that may follow them. Sentences are left alone: a comma
in them parts no tags."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from train_tools.model.base_model import CaptionStyle

SEPARATOR = ", "
_ARTICLES = frozenset({"a", "an", "the", "is", "are", "was", "were", "has", "he", "she", "they", "it"})
_FACES = frozenset(
    (
        *("0_0", "(o)_(o)", "+_+", "+_-", "._.", "<o>_<o>", "<|>_<|>", "=_=", ">_<", "3_3"),
        *("6_9", ">_o", "@_@", "^_^", "o_o", "u_u", "x_x", "|_|", "||_||"),
    )
)
"""Faces drawn with signs: their underscore is no space."""


@dataclass(frozen=True)
class Parts:
    """One line of a caption."""

    tags: tuple[str, ...]
    prose: str = ""
    """From the first sentence on."""

    @property
    def text(self) -> str:
        return SEPARATOR.join([*self.tags, self.prose] if self.prose else self.tags)


@lru_cache(maxsize=50_000)
def parts_of(line: str) -> Parts:
    """The tags at the beginning of a line, and what follows from the first part on that reads as a sentence."""
    pieces = line.split(",")
    tags: list[str] = []
    for place, piece in enumerate(pieces):
        if _is_sentence(piece):
            return Parts(tuple(tags), ",".join(pieces[place:]).strip())
        if tag := " ".join(piece.split()):
            tags.append(tag)
    return Parts(tuple(tags))


def tags_of(caption: str) -> tuple[str, ...]:
    """The tags of all lines, in their order."""
    return tuple(tag for line in caption.splitlines() for tag in parts_of(line).tags)


def with_tags(caption: str, change: Callable[[tuple[str, ...]], Iterable[str]]) -> str:
    """The caption with other tags in every line that isn't blank. Lines whose tags stay stay byte for byte."""
    lines = [_changed(line, change) for line in caption.splitlines() if line.strip()]
    return "\n".join(line for line in lines or [_changed("", change)] if line)


@lru_cache(maxsize=50_000)
def plain(tag: str) -> str:
    """What two spellings of a tag have in common: `Long_Hair` and `long hair`, `saber \\(fate\\)` and
    `saber (fate)`."""
    unescaped = re.sub(r"\\([()\[\]{}])", r"\1", tag)
    return " ".join(spaced(unescaped).casefold().split())


def spaced(tag: str) -> str:
    return tag if tag in _FACES else tag.replace("_", " ")


def underscored(tag: str) -> str:
    return tag.replace(" ", "_")


def style_of(caption: str) -> CaptionStyle | None:
    """Whether a caption is tags or prose; None where it has too little to tell."""
    parts = [parts_of(line) for line in caption.splitlines()]
    tags = [tag for part in parts for tag in part.tags]
    sentences = sum(len(part.prose.split()) for part in parts)
    if sentences and sentences >= sum(len(tag.split()) for tag in tags):
        return CaptionStyle.PROSE
    return CaptionStyle.TAGS if len(tags) >= 2 else None


def _changed(line: str, change: Callable[[tuple[str, ...]], Iterable[str]]) -> str:
    parts = parts_of(line)
    tags = tuple(change(parts.tags))
    return line if tags == parts.tags else Parts(tags, parts.prose).text


def _is_sentence(piece: str) -> bool:
    words = piece.casefold().split()
    if len(words) < 3:
        return False
    return (
        (words[-1][-1] in ".!?" and not words[-1].endswith(".."))
        or words[0] in ("a", "an")
        or (len(words) >= 5 and not _ARTICLES.isdisjoint(words))
        or len(words) >= 8
    )
