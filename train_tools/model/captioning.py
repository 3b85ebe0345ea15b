"""How captions are written for a version's originals: by which captioners, in which words, and beside what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from train_tools.errors import OptionValueError
from train_tools.model.base_model import CaptionStyle

E = TypeVar("E", bound=StrEnum)
LONGEST_PROMPT = 4000
DEFAULT_PROMPT = "Describe this picture in one or two plain sentences. Say only what is seen, without any preface."


class ExistingCaption(StrEnum):
    """What becomes of a caption that the user has written (S1-19)."""

    IGNORE = "ignore"
    """What is written now takes its place."""
    COPY = "copy"
    """It stays, and nothing is written."""
    PREPEND = "prepend"
    """It comes first."""
    APPEND = "append"
    """It comes last."""


class RatingTag(StrEnum):
    """Whether a picture's likeliest rating is one of its tags."""

    NONE = "none"
    FIRST = "first"
    LAST = "last"


class Detail(StrEnum):
    """How much Florence-2 says."""

    BRIEF = "brief"
    DETAILED = "detailed"
    MORE_DETAILED = "more_detailed"


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A captioner, and which of its models: a Hugging Face repository or a folder; empty = its usual one."""

    name: str
    model: str = ""

    @classmethod
    def of(cls, text: str) -> Chosen:
        """`NAME` or `NAME=MODEL`."""
        name, _, model = text.partition("=")
        return cls(name=name.strip(), model=model.strip())


@dataclass(frozen=True, kw_only=True)
class TagWords:
    """How tags become words. What is listed may be spelt with underscores or blanks."""

    threshold: float | None = None
    """The least likelihood of a tag; None = the captioner's usual one."""
    character_threshold: float | None = None
    """The same for names of characters."""
    rating_threshold: float = 0.0
    character_tags: bool = True
    characters_first: bool = False
    rating: RatingTag = RatingTag.NONE
    spaces: bool = True
    """Blanks for underscores (S4-13), except in faces such as ^_^."""
    escape_brackets: bool = False
    """`\\(` for `(`: to be read by programs that take brackets for weights."""
    undesired: tuple[str, ...] = ()
    replacements: tuple[tuple[str, str], ...] = ()
    always_first: tuple[str, ...] = ()
    """Tags that stand first where they are found, in this order."""

    def __post_init__(self) -> None:
        for what in ("threshold", "character_threshold", "rating_threshold"):
            value = getattr(self, what)
            if value is not None and not 0 <= value <= 1:
                raise OptionValueError(
                    f"The {what.replace('_', ' ')} {value:g} can't be used: it is a likelihood, from 0 to 1."
                )


@dataclass(frozen=True, kw_only=True)
class CaptionSettings:
    """Everything that decides what is written for a picture."""

    captioners: tuple[Chosen, ...]
    """In the order in which their words stand."""
    tags: TagWords = TagWords()
    existing: ExistingCaption = ExistingCaption.IGNORE
    join: str = " "
    """What parts the user's own caption from the rest (S1-19)."""
    detail: Detail = Detail.DETAILED
    prompt: str = DEFAULT_PROMPT
    """What an endpoint is asked."""

    def __post_init__(self) -> None:
        names = [chosen.name for chosen in self.captioners]
        if not names:
            raise OptionValueError("No captioner was chosen. `train-tools dataset captioners` lists them.")
        if len(set(names)) < len(names):
            raise OptionValueError(f"A captioner was chosen twice: {', '.join(names)}. Choose each once.")
        if not self.prompt.strip() or len(self.prompt) > LONGEST_PROMPT:
            raise OptionValueError(f"The prompt has to have 1 to {LONGEST_PROMPT} characters.")

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> CaptionSettings:
        """The settings in a JSON object; what a newer version added is left out. Raises OptionValueError."""
        known = {each.name for each in fields(cls)}
        typed = {key: value for key, value in values.items() if key in known}
        tags = {key: value for key, value in typed.pop("tags", {}).items() if key in _TAG_FIELDS}
        chosen = tuple(Chosen(**each) for each in typed.pop("captioners", ()))
        return cls(
            captioners=chosen,
            tags=TagWords(
                **{
                    **tags,
                    "rating": member(RatingTag, tags.get("rating", RatingTag.NONE)),
                    "undesired": tuple(tags.get("undesired", ())),
                    "always_first": tuple(tags.get("always_first", ())),
                    "replacements": tuple((old, new) for old, new in tags.get("replacements", ())),
                }
            ),
            **{
                **typed,
                "existing": member(ExistingCaption, typed.get("existing", ExistingCaption.IGNORE)),
                "detail": member(Detail, typed.get("detail", Detail.DETAILED)),
            },
        )


def replacements_of(text: str) -> tuple[tuple[str, str], ...]:
    """`a,b;c,d` = b for a, d for c; `\\,` and `\\;` are a comma and a semicolon. Raises OptionValueError."""
    pairs = []
    for part in _split(text, ";"):
        if not part.strip():
            continue
        sides = [side.strip() for side in _split(part, ",")]
        if len(sides) != 2 or not sides[0]:
            raise OptionValueError(
                f"The replacement {part!r} can't be read: write old,new and a semicolon before the next, as in "
                r"`long hair,hair;1girl,woman`; \, and \; stand for a comma and a semicolon."
            )
        pairs.append((_unescaped(sides[0]), _unescaped(sides[1])))
    return tuple(pairs)


def _split(text: str, at: str) -> list[str]:
    """The parts of a text between separators that no backslash stands before."""
    parts, begin, place = [], 0, 0
    while place < len(text):
        if text[place] == "\\":
            place += 1
        elif text[place] == at:
            parts.append(text[begin:place])
            begin = place + 1
        place += 1
    return [*parts, text[begin:]]


def _unescaped(text: str) -> str:
    return text.replace("\\,", ",").replace("\\;", ";")


_TAG_FIELDS = {each.name for each in fields(TagWords)}


def member(kind: type[E], value: object) -> E:
    """The member of an enum that a text names. Raises OptionValueError."""
    found = next((each for each in kind if each == value), None)
    if found is None:
        raise OptionValueError(f"{value!r} can't be used: allowed are {', '.join(kind)}.")
    return found


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A program that describes pictures, reached as OpenAI's is. Its key is a secret and no part of this."""

    address: str = ""
    """Up to and with `/v1`."""
    model: str = ""


@dataclass(frozen=True, kw_only=True)
class ModelState:
    """One model of a captioner: where it is, or what is missing and where it may be put."""

    repository: str
    place: Path | None
    """The folder that holds its files."""
    missing: tuple[str, ...]
    folder: Path
    """Where its files are looked for first, and fetched to."""
    about_bytes: int


@dataclass(frozen=True, kw_only=True)
class CaptionerState:
    name: str
    title: str
    style: CaptionStyle | None
    """None for one that writes what it is asked to."""
    models: tuple[ModelState, ...]
    """The usual one first; empty for one that needs none."""
    problem: str = ""
    """Why it can't be used here, in words, besides missing models."""

    @property
    def ready(self) -> bool:
        return not self.problem and (not self.models or any(model.place for model in self.models))


@dataclass(frozen=True, kw_only=True)
class CaptionsUndone:
    """What undoing did."""

    restored: int
    """Captions that are again what they were before."""
    left: tuple[str, ...] = ()
    """Pictures whose captions were changed since: they were left alone."""


@dataclass(frozen=True, kw_only=True)
class SuggestedCaptioner:
    name: str
    reason: str
