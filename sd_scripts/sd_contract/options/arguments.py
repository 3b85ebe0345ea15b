"""Arguments as texts, "name=value": the kinds of value there are, and how one text is read."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from typing import Any

from sd_contract.errors import OptionError

Kind = tuple[str, Callable[[object], bool]]
"""What an argument wants, in words and as a check."""
Arguments = Mapping[str, Kind]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _numbers(count: int) -> Callable[[object], bool]:
    return lambda value: isinstance(value, (tuple, list)) and len(value) == count and all(map(_is_number, value))


def one_of(*words: str) -> Kind:
    return f"one of {', '.join(words)}", lambda value: value in words


NUMBER: Kind = ("a number from 0 on", _is_number)
FACTOR: Kind = ("a number above 0", lambda value: _is_number(value) and value != 0)
SHARE: Kind = ("a number from 0 to 1", lambda value: _is_number(value) and float(str(value)) <= 1)
ANY_NUMBER: Kind = ("a number", lambda value: isinstance(value, (int, float)) and not isinstance(value, bool))
COUNT: Kind = (
    "a whole number from 1 on",
    lambda value: _is_number(value) and isinstance(value, int) and value > 0,
)
TRUTH: Kind = ("True or False", lambda value: isinstance(value, bool))
PAIR: Kind = ("two numbers, as 0.9,0.999", _numbers(2))
TRIPLE: Kind = ("three numbers, as 0.9,0.999,0.9999", _numbers(3))


def argument(option: str, owner: str, allowed: Arguments | None, text: str) -> tuple[str, Any]:
    """Name and value of one text of an option. OptionError for what `owner` does not take; None allows
    anything."""
    name, equals, written = (part.strip() for part in text.partition("="))
    if not equals or (allowed is not None and name not in allowed):
        names = ", ".join(allowed or ())
        takes = f"{owner} takes {names}, each as name=value" if names else f"{owner} takes none"
        takes = takes if allowed is not None else "Write name=value"
        raise OptionError(f'{option}: "{text}" can\'t be used. {takes}.')
    value = _literal(written)
    if allowed is None:
        return name, value
    wanted, fits = allowed[name]
    if not fits(value):
        raise OptionError(f'{option}: "{text}": {name} wants {wanted}.')
    return name, value


def _literal(text: str) -> object:
    """The number, list or word that a text stands for. A word needs no quotes."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
