"""Which captions are meant: `cat AND NOT (dog OR *hat)`, said of tags and of the text.

filter = any of all of not of term      AND, OR, NOT in capitals; brackets; AND binds closer than OR
term   = tag                            that whole tag, however its case and underscores are; * is any letters
       | "long hair AND more"           in quotes: taken as it stands
       | text:words                     the caption has these letters somewhere
       | name:part  class:part          so does the file's name, or the folder's class
       | is:uncaptioned  is:empty  is:prose  is:tags  is:illegible
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from train_tools.captions.tags import plain, style_of, tags_of
from train_tools.errors import OptionValueError
from train_tools.model.base_model import CaptionStyle
from train_tools.model.captions import NO_FILE, CaptionedImage

Filter = Callable[[CaptionedImage], bool]
LONGEST = 2000
DEEPEST = 50
_OPERATORS = frozenset({"AND", "OR", "NOT"})
_PLAIN_PIECE = re.compile(r'(?:\\.|[^\s()"\\])+')
_QUOTED_PIECE = re.compile(r'"((?:\\.|[^"\\])*)"')
_BRACKETED_PIECE = re.compile(r"\([^()]*\)")


def everything(image: CaptionedImage) -> bool:
    return True


def filter_of(text: str) -> Filter:
    """The filter that a text describes; an empty one means all. Raises OptionValueError with the place."""
    if not text.strip():
        return everything
    if len(text) > LONGEST:
        raise OptionValueError(f"The filter has {len(text)} letters; {LONGEST} are allowed.")
    return _Reader(text).whole()


@dataclass(frozen=True)
class _Word:
    """An operator, a bracket, or a term. `quoted` terms mean nothing but their letters."""

    text: str
    place: int
    is_term: bool = False
    quoted: bool = False


class _Reader:
    """Reads a filter from left to right."""

    def __init__(self, text: str) -> None:
        self._words = [*_words(text), _Word("", len(text))]
        self._next = 0
        self._depth = 0

    def whole(self) -> Filter:
        found = self._any()
        if self._now.text or self._now.is_term:
            raise _misread(f"{self._now.text!r} is not expected there; AND or OR may be missing", self._now)
        return found

    @property
    def _now(self) -> _Word:
        return self._words[self._next]

    def _takes(self, mark: str) -> bool:
        taken = not self._now.is_term and self._now.text == mark
        self._next += taken
        return taken

    def _any(self) -> Filter:
        parts = [self._all()]
        while self._takes("OR"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else lambda image: any(part(image) for part in parts)

    def _all(self) -> Filter:
        parts = [self._one()]
        while self._takes("AND"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else lambda image: all(part(image) for part in parts)

    def _one(self) -> Filter:
        self._depth += 1
        if self._depth > DEEPEST:
            raise _misread(f"the filter is nested deeper than {DEEPEST}", self._now)
        found = self._negated_or_grouped()
        self._depth -= 1
        return found

    def _negated_or_grouped(self) -> Filter:
        if self._takes("NOT"):
            denied = self._one()
            return lambda image: not denied(image)
        opening = self._now
        if self._takes("("):
            inner = self._any()
            if not self._takes(")"):
                raise _misread("a bracket is not closed", opening)
            return inner
        if not self._now.is_term:
            raise _misread(f"a tag is expected instead of {self._now.text or 'the end'}", self._now)
        self._next += 1
        return _term(opening)


def _words(text: str) -> Iterator[_Word]:
    """The words, those of one term put together."""
    place, open_term = 0, None
    while place < len(text):
        if text[place].isspace():
            place += 1
            continue
        piece, quoted, end = _piece(text, place, within=open_term is not None)
        if not quoted and piece in {*_OPERATORS, "(", ")"}:
            if open_term:
                yield open_term
            open_term = None
            yield _Word(piece, place)
        elif open_term is None:
            open_term = _Word(piece, place, is_term=True, quoted=quoted)
        else:
            between = " " if text[place - 1].isspace() else ""
            joined = open_term.text + between + piece
            open_term = _Word(joined, open_term.place, is_term=True, quoted=open_term.quoted)
        place = end
    if open_term:
        yield open_term


def _piece(text: str, place: int, *, within: bool) -> tuple[str, bool, int]:
    """The piece at a place, whether it was in quotes, and where it ends. Within a term, brackets are the tag's:
    `saber (fate)`."""
    if quoted := _QUOTED_PIECE.match(text, place):
        return re.sub(r"\\(.)", r"\1", quoted[1]), True, quoted.end()
    if within and (bracketed := _BRACKETED_PIECE.match(text, place)):
        return bracketed[0], False, bracketed.end()
    if text[place] in "()":
        return text[place], False, place + 1
    if bare := _PLAIN_PIECE.match(text, place):
        return bare[0], False, bare.end()
    what = "quotes are not closed" if text[place] == '"' else "a backslash stands last"
    raise _misread(what, _Word(text[place], place))


def _term(word: _Word) -> Filter:
    head, colon, rest = word.text.partition(":")
    if colon and not word.quoted and head in _ASPECTS:
        return _ASPECTS[head](rest, word)
    wanted = plain(word.text)
    if "*" in wanted and not word.quoted:
        pattern = wanted.replace("[", "[[]").replace("?", "[?]")
        return lambda image: any(fnmatchcase(plain(tag), pattern) for tag in tags_of(image.caption or ""))
    return lambda image: any(plain(tag) == wanted for tag in tags_of(image.caption or ""))


def _in_text(wanted: str, word: _Word) -> Filter:
    return lambda image: wanted.casefold() in (image.caption or "").casefold()


def _in_name(wanted: str, word: _Word) -> Filter:
    return lambda image: wanted.casefold() in image.name.casefold()


def _in_class(wanted: str, word: _Word) -> Filter:
    return lambda image: wanted.casefold() in image.class_name.casefold()


def _state(wanted: str, word: _Word) -> Filter:
    if wanted not in _STATES:
        allowed = ", ".join(f"is:{state}" for state in _STATES)
        raise _misread(f"is:{wanted} is not known; there are {allowed}", word)
    return _STATES[wanted]


_ASPECTS: dict[str, Callable[[str, _Word], Filter]] = {
    "text": _in_text,
    "name": _in_name,
    "class": _in_class,
    "is": _state,
}
_STATES: dict[str, Filter] = {
    "uncaptioned": lambda image: image.edition == NO_FILE,
    "empty": lambda image: image.caption is not None and not image.effective,
    "prose": lambda image: style_of(image.caption or "") is CaptionStyle.PROSE,
    "tags": lambda image: style_of(image.caption or "") is CaptionStyle.TAGS,
    "illegible": lambda image: image.is_illegible,
}


def _misread(what: str, word: _Word) -> OptionValueError:
    return OptionValueError(
        f"The filter can't be read at letter {word.place + 1}: {what}. Write for example: cat AND NOT (dog OR "
        "bird); "
        'a tag that holds such words goes in quotes: "cat AND dog".'
    )
