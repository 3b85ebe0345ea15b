"""Conditions on a run's options: `lr_scheduler=polynomial`, `network_dim>=64 and unet_lr=1e-4|2e-4`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from train_tools.errors import OptionValueError
from train_tools.model.grid import canonical
from train_tools.options.table import OptionTable

FORM = "a condition is name=value, joined by `and`; also != < <= > >=, and | between several values"

_TERM = re.compile(r"\s*(?P<name>\w+)\s*(?P<sign><=|>=|!=|==|=|<|>)\s*(?P<values>.+?)\s*", re.DOTALL)
_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class Term:
    """One comparison. Several values mean: one of these."""

    name: str
    sign: str
    values: tuple[Any, ...]

    def holds(self, value: Any) -> bool:
        if self.sign in _ORDER:
            return value is not None and _ORDER[self.sign](value, self.values[0])
        found = any(canonical(value) == canonical(wanted) for wanted in self.values)
        return found == (self.sign != "!=")


@dataclass(frozen=True)
class Condition:
    """Terms that all have to hold."""

    terms: tuple[Term, ...]

    def holds(self, get: Callable[[str], Any]) -> bool:
        return all(term.holds(get(term.name)) for term in self.terms)


@lru_cache(maxsize=2000)
def condition_of(table: OptionTable, text: str) -> Condition:
    """The condition that a text means. Raises OptionValueError with the character where it is not understood."""
    terms, at = [], 0
    for part in re.split(r"(\s+and\s+)", text):
        if part.strip() != "and" or not part[:1].isspace():
            terms.append(_term(table, text, part, at))
        at += len(part)
    return Condition(tuple(terms))


def _term(table: OptionTable, text: str, part: str, at: int) -> Term:
    found = _TERM.fullmatch(part)
    if found is None:
        raise OptionValueError(f"The condition {text!r}, character {at + 1}: {part.strip()!r} is none: {FORM}.")
    name, sign = found["name"], found["sign"].replace("==", "=")
    try:
        table.settable(name)
        values = tuple(table.value_from_text(name, word.strip().strip('"')) for word in found["values"].split("|"))
    except OptionValueError as error:
        raise OptionValueError(f"The condition {text!r}, character {at + 1}: {error}") from error
    if sign in _ORDER and (len(values) > 1 or table.is_numeric(name) not in ("int", "float")):
        raise OptionValueError(
            f"The condition {text!r}, character {at + 1}: {sign} compares one number; {name} takes none, or "
            "several values were given."
        )
    return Term(name, sign, values)
