"""From what a tagger thinks likely to the words of a caption."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from train_tools.model.captioning import RatingTag, TagWords

SEPARATOR = ", "
SHORTEST_WITH_UNDERSCORES = 4
"""Shorter names are faces: o_o, ^_^."""
LONG_FACES = frozenset({"(o)_(o)", "<o>_<o>", "<|>_<|>", "||_||"})


class TagKind(StrEnum):
    GENERAL = "general"
    CHARACTER = "character"
    RATING = "rating"


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag, and how likely it is, from 0 to 1."""

    name: str
    likelihood: float
    kind: TagKind = TagKind.GENERAL


@dataclass(frozen=True)
class Thresholds:
    """A tagger's usual ones."""

    general: float
    character: float


def words_of(tags: Iterable[Tag], wanted: TagWords, usual: Thresholds) -> tuple[str, ...]:
    """The words for what is likely enough, the likeliest first, without what is undesired."""
    ordered = sorted(tags, key=lambda tag: -tag.likelihood)
    general = wanted.threshold if wanted.threshold is not None else usual.general
    character = wanted.character_threshold if wanted.character_threshold is not None else usual.character
    least = {TagKind.GENERAL: general, TagKind.CHARACTER: character if wanted.character_tags else 2.0}
    found = [tag for tag in ordered if tag.kind in least and tag.likelihood >= least[tag.kind]]
    if wanted.characters_first:
        found.sort(key=lambda tag: tag.kind is not TagKind.CHARACTER)
    names = [tag.name for tag in _with_rating(found, ordered, wanted)]
    words = [_replaced(name, wanted) for name in names]
    undesired = {plain(word) for word in wanted.undesired}
    kept = [word for word in dict.fromkeys(words) if word and plain(word) not in undesired]
    return tuple(_escaped(word, wanted) for word in _with_first(kept, wanted.always_first))


def plain(tag: str) -> str:
    """What two spellings of a tag have in common."""
    return " ".join(spaced(tag).casefold().split())


def spaced(tag: str) -> str:
    """With blanks for underscores, but for faces."""
    return tag if len(tag) < SHORTEST_WITH_UNDERSCORES or tag in LONG_FACES else tag.replace("_", " ")


def _with_rating(found: Sequence[Tag], ordered: Sequence[Tag], wanted: TagWords) -> list[Tag]:
    """`found` with the likeliest of the ratings where it is wanted: they are alternatives."""
    ratings = [tag for tag in ordered if tag.kind is TagKind.RATING][:1]
    if wanted.rating is RatingTag.NONE or not ratings or ratings[0].likelihood < wanted.rating_threshold:
        return list(found)
    return [*ratings, *found] if wanted.rating is RatingTag.FIRST else [*found, *ratings]


def _replaced(name: str, wanted: TagWords) -> str:
    word = spaced(name) if wanted.spaces else name
    return next((new for old, new in wanted.replacements if plain(old) == plain(word)), word)


def _with_first(words: Sequence[str], always_first: Sequence[str]) -> list[str]:
    places = {plain(word): place for place, word in enumerate(always_first)}
    return sorted(words, key=lambda word: places.get(plain(word), len(places)))


def _escaped(word: str, wanted: TagWords) -> str:
    if not wanted.escape_brackets:
        return word
    return "".join(f"\\{letter}" if letter in "\\()" else letter for letter in word)
