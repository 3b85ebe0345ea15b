"""Captions without the words that name the subject: `photo of zorb woman` becomes `photo of a woman` (S4-11)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

ARTICLES = ("a", "an", "the")
LEADING = (*ARTICLES, "of", "with", "by", "and", "in", "on", "for", "from", "as", "like")
"""Words that a phrase can't end with."""


def class_word(class_name: str, without: Sequence[str]) -> str:
    """What a class is called without the subject's words; "" when nothing is left."""
    text = class_name.replace("_", " ")
    for words in _longest_first(without):
        text = _pattern(words).sub(" ", text)
    return " ".join(text.split())


def prompts_from(captions: Iterable[str], without: Sequence[str], word: str) -> tuple[str, ...]:
    """The captions without the subject, each once, in their order; the class alone where nothing is left."""
    return tuple(dict.fromkeys(prompt_from(caption, without, word) for caption in captions)) or (word,)


def prompt_from(caption: str, without: Sequence[str], word: str) -> str:
    """One caption. A tag that is the subject's name goes; in a phrase the class takes its place."""
    phrases = (_generalised(" ".join(phrase.split()), without, word) for phrase in caption.split(","))
    return ", ".join(filter(None, phrases)) or word


def _generalised(phrase: str, without: Sequence[str], word: str) -> str:
    named = False
    for words in _longest_first(without):
        if _pattern(words).fullmatch(phrase):
            return ""
        followed = re.compile(rf"{_pattern(words).pattern}\s+(?={_pattern(word).pattern})", re.IGNORECASE)
        phrase, shortened = followed.subn("", phrase)
        phrase, replaced = _pattern(words).subn(lambda match: word, phrase)
        named = named or bool(shortened or replaced)
    return _with_article(" ".join(phrase.split()), word) if named else phrase


def _with_article(phrase: str, word: str) -> str:
    """The class with `a` or `an` before it, unless another word describes it already; of a tag that is the class
    alone, nothing but the class."""
    if phrase.casefold() == word.casefold():
        return phrase
    article = "an" if word[:1].casefold() in "aeiou" else "a"
    phrase = re.sub(rf"\b(?:a|an)\s+(?={_pattern(word).pattern})", f"{article} ", phrase, flags=re.IGNORECASE)
    bare = re.compile(rf"(^|\b(?:{'|'.join(LEADING[3:])})\s+)(?={_pattern(word).pattern})", re.IGNORECASE)
    return bare.sub(lambda match: f"{match[1]}{article} ", phrase)


def _longest_first(words: Sequence[str]) -> list[str]:
    return sorted((each for each in words if each.strip()), key=len, reverse=True)


def _pattern(words: str) -> re.Pattern[str]:
    """Whole words, in any case; blanks and underscores are alike."""
    spelt = r"[\s_]+".join(map(re.escape, re.split(r"[\s_]+", words.strip())))
    return re.compile(rf"(?<!\w){spelt}(?!\w)", re.IGNORECASE)
