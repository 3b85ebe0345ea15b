"""What people type to give an option several values, and what it means.

8, 16                      a list; each value counts once
"512,768", 1024            quotes hold a value with a comma; what is quoted is taken as it is
1..3   0:1:0.25            ranges, both ends included: whole numbers, steps,
8:64:*2   64:8:/2          factors,
1e-5:1e-4:log3             n values evenly spread, on a logarithmic (log3) or a plain (lin3) scale
=unet_lr/2                 a formula over the run's other options
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from train_tools.errors import OptionValueError
from train_tools.grids.formulas import refuse_unknown_names
from train_tools.model.draft import Fault
from train_tools.model.grid import Formula, Grid, Rules, Typed, canonical
from train_tools.options.table import OptionTable

MOST_VALUES = 10_000
"""Of one range."""
RANGE_FORMS = "1..3, 0:1:0.25, 8:64:*2, 1e-5:1e-4:log3"

_STEPS = re.compile(r"(?P<first>[^:]*):(?P<last>[^:]*):(?P<rule>.*)")
_WHOLE = re.compile(r"\s*([+-]?\d+)\s*\.\.\s*([+-]?\d+)\s*")
_SPREAD = re.compile(r"\s*(log|lin)\s*(\d{1,6})\s*")


@dataclass(frozen=True)
class Item:
    """One item of a list, and where it begins: 1 is the first character."""

    text: str
    at: int
    quoted: bool = False


def items_of(name: str, text: str) -> tuple[Item, ...]:
    """The items between the commas. Raises OptionValueError naming the option and the character."""
    items, at = [], 0
    while True:
        item, at = _next_item(name, text, at)
        items.append(item)
        if at >= len(text):
            return tuple(items)
        at += 1  # the comma


def _next_item(name: str, text: str, begin: int) -> tuple[Item, int]:
    """The item from a place on, and the place of the comma or the end behind it."""
    at = begin + len(text[begin:]) - len(text[begin:].lstrip(" \t"))
    if text[at : at + 1] == '"':
        return _quoted(name, text, at)
    end = _end_of_plain(text, at)
    item = text[at:end].strip()
    if not item:
        raise _wrong(name, text, at, "a value is missing. Write the values with one comma between them")
    if "\n" in item or "\r" in item:
        raise _wrong(name, text, at, "a line break stands in a value. Put the values in one line")
    return Item(item, at + 1), end


def _quoted(name: str, text: str, at: int) -> tuple[Item, int]:
    closing = at + 1
    while text[closing : closing + 1] not in ("", '"') or text[closing : closing + 2] == '""':
        closing += 2 if text[closing] == '"' else 1
    if closing >= len(text):
        raise _wrong(name, text, at, "a quotation mark is not closed")
    end = closing + 1
    while text[end : end + 1] in (" ", "\t"):
        end += 1
    if text[end : end + 1] not in ("", ","):
        raise _wrong(name, text, end, 'a comma is wanted after the quoted value, as in "512,768", 1024')
    value = text[at + 1 : closing].replace('""', '"')
    if not value:
        raise _wrong(name, text, at, "an empty value can't be used")
    return Item(value, at + 1, quoted=True), end


def _end_of_plain(text: str, begin: int) -> int:
    """Where an item without quotes ends: at a comma, but not at one inside a formula's brackets."""
    depth, is_formula = 0, text[begin : begin + 1] == "="
    for at in range(begin, len(text)):
        depth += is_formula * ((text[at] == "(") - (text[at] == ")"))
        if text[at] == "," and depth <= 0:
            return at
    return len(text)


def values_of(table: OptionTable, name: str, text: str) -> tuple[Any, ...]:
    """The typed values and formulas that a text means, each once, in the order they were typed."""
    values, _ = _read(table, name, text)
    return values


def _read(table: OptionTable, name: str, text: str) -> tuple[tuple[Any, ...], list[str]]:
    found = [value for item in items_of(name, text) for value in _values_of_item(table, name, text, item)]
    values = _once(found)
    twice = len(found) - len(values)
    return values, [f"{name} = {text}: {twice} of the values stand there more than once and count once."] * bool(
        twice
    )


def _values_of_item(table: OptionTable, name: str, text: str, item: Item) -> Iterator[Any]:
    if item.text.startswith("=") and not item.quoted:
        yield checked_formula(table, name, item.text[1:])
        return
    words = [item.text] if item.quoted or not table.is_numeric(name) else _range(table, name, text, item)
    for word in words:
        try:
            yield table.value_from_text(name, word)
        except OptionValueError as error:
            where = f" (character {item.at} of {text!r})" if len(text) > len(item.text) else ""
            raise OptionValueError(f"{error}{where}") from error


def checked_formula(table: OptionTable, name: str, text: str) -> Formula:
    """A formula whose names are options. OptionValueError says what in it can't be understood."""
    formula = Formula(text.strip())
    refuse_unknown_names(table, name, formula)
    return formula


def _range(table: OptionTable, name: str, text: str, item: Item) -> list[str]:
    """The values of a range, as text; the item itself when it is none."""
    if ".." in item.text:
        return [str(number) for number in _whole_numbers(name, text, item)]
    steps = _STEPS.fullmatch(item.text)
    if steps is None:
        if ":" in item.text:
            raise _wrong(name, text, item.at - 1, f"{item.text} is no range. Ranges are {RANGE_FORMS}")
        return [item.text]
    first, last = (_decimal(name, text, item, steps[end]) for end in ("first", "last"))
    if spread := _SPREAD.fullmatch(steps["rule"]):
        return _spread(
            name, text, item, first, last, scale=spread[1], count=int(spread[2]), kind=table.is_numeric(name)
        )
    return [_written(number) for number in _steps(name, text, item, first, last, steps["rule"].strip())]


def _whole_numbers(name: str, text: str, item: Item) -> range:
    ends = _WHOLE.fullmatch(item.text)
    if ends is None:
        raise _wrong(name, text, item.at - 1, f"{item.text}: a range a..b needs whole numbers, as in 1..3")
    first, last = int(ends[1]), int(ends[2])
    numbers = range(first, last + 1) if first <= last else range(first, last - 1, -1)
    _refuse_too_many(name, text, item, abs(last - first) + 1)
    return numbers


def _decimal(name: str, text: str, item: Item, word: str) -> Decimal:
    try:
        number = Decimal(word.strip())
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite():
        raise _wrong(name, text, item.at - 1, f"{word.strip()!r} in {item.text} is no number")
    return number


def _spread(
    name: str, text: str, item: Item, first: Decimal, last: Decimal, *, scale: str, count: int, kind: str
) -> list[str]:
    if count < 2:
        raise _wrong(name, text, item.at - 1, f"{item.text}: {scale}{count} is too few; 2 or more are wanted")
    _refuse_too_many(name, text, item, count)
    if scale == "log" and (first <= 0 or last <= 0):
        raise _wrong(name, text, item.at - 1, f"{item.text}: both ends of a log range have to be above 0")
    digits = max(6, *(len(end.normalize().as_tuple().digits) for end in (first, last)))
    between = []
    for step in range(1, count - 1):
        share = step / (count - 1)
        inner = (
            float(first) ** (1 - share) * float(last) ** share
            if scale == "log"
            else float(first) + (float(last) - float(first)) * share
        )
        rounded = Decimal(f"{inner:.{digits}g}")  # more digits would only make names long
        between.append(str(min(max(rounded, min(first, last)), max(first, last))))
    if kind == "int":
        between = [str(round(float(number))) for number in between]
    return [_written(first), *between, _written(last)]


def _steps(name: str, text: str, item: Item, first: Decimal, last: Decimal, rule: str) -> Iterator[Decimal]:
    """From the first to the last by steps or factors. Raises OptionValueError when the last is not met."""
    is_factor, word = rule[:1] in ("*", "/"), rule.lstrip("*/+")
    by = _decimal(name, text, item, word)
    if is_factor and by > 0 and by != 1 and first:
        by = by if rule[0] == "*" else 1 / by
        rises = (by > 1) == (first > 0)
    elif not is_factor and by:
        by = abs(by) if last >= first else -abs(by)
        rises = by > 0
    else:
        raise _wrong(name, text, item.at - 1, f"{item.text}: by {rule} the end is never reached")
    if (last > first) != rises and last != first:
        raise _wrong(name, text, item.at - 1, f"{item.text}: by {rule} one gets away from {last}")
    number, count = first, 0
    tolerance = abs(last) * Decimal("1e-20")
    while (number - last if rises else last - number) <= tolerance:
        _refuse_too_many(name, text, item, count := count + 1)
        yield last if abs(number - last) <= tolerance else number
        before, number = number, number * by if is_factor else number + by
    if abs(before - last) > tolerance:
        raise _wrong(
            name,
            text,
            item.at - 1,
            f"{item.text} does not end at {last}: {_written(before)} comes before and {_written(number)} after. "
            "Both ends of a range are included, so end it at one of these",
        )


def _written(number: Decimal) -> str:
    """As people write it: 64 and not 6.4E+1."""
    plain = number.normalize()
    exponent = plain.as_tuple().exponent
    assert isinstance(exponent, int), "finite numbers have an exponent"
    return (
        f"{plain:f}"
        if plain.adjusted() > -5 and exponent <= 0
        else str(int(plain))
        if exponent > 0
        else str(plain)
    )


def _refuse_too_many(name: str, text: str, item: Item, count: int) -> None:
    if count > MOST_VALUES:
        raise _wrong(name, text, item.at - 1, f"{item.text} has more than {MOST_VALUES:,} values")


def _wrong(name: str, text: str, at: int, reason: str) -> OptionValueError:
    """`at` counts from 0."""
    return OptionValueError(f"{name} = {text}: character {at + 1}: {reason}.")


def grid_of(
    table: OptionTable,
    options: Mapping[str, Any],
    axes: Mapping[str, tuple[Any, ...]],
    assignments: Mapping[str, str],
    rules: Rules | None = None,
) -> Grid:
    """The grid of stored options and axes, with what was typed over them; what is typed over need not be right.
    One value is no axis."""
    several = {
        name: values if name in assignments else _stored(table, name, values) for name, values in axes.items()
    }
    fixed = {
        name: value if name in assignments else _checked(table, name, value) for name, value in options.items()
    }
    notes: list[str] = []
    for name, text in assignments.items():
        table.settable(name)
        several[name], said = _read(table, name, text)
        notes += said
    for name, values in list(several.items()):
        several[name] = _once(_checked(table, name, value) for value in values)
        if not several[name]:
            raise OptionValueError(f"{name} has no value: give it at least one, or take it out of the axes.")
        if len(several[name]) == 1:
            fixed[name] = several.pop(name)[0]
        fixed = {key: value for key, value in fixed.items() if key not in several}
    return Grid(base=fixed, axes=several, rules=rules or Rules(), engine=table.engine, notes=tuple(notes))


def faults_in(table: OptionTable, assignments: Mapping[str, str]) -> Iterator[Fault]:
    """What of the assignments can't be used, each looked at for itself."""
    for name, text in assignments.items():
        try:
            values_of(table, name, text)
        except OptionValueError as error:
            yield Fault(option=name, message=str(error))


def blamed(table: OptionTable, message: str) -> str:
    """The option that a message is about: they begin with its name. Empty = about none, or several."""
    word, _, rest = message.partition(" ")
    return word if word in table and not rest.startswith("and ") else ""


def _stored(table: OptionTable, name: str, values: Iterable[Any]) -> tuple[Any, ...]:
    """The values of a stored axis, in which there may be what one would type."""
    return tuple(
        each
        for value in values
        for each in (values_of(table, name, value.text) if isinstance(value, Typed) else (value,))
    )


def _checked(table: OptionTable, name: str, value: Any) -> Any:
    if isinstance(value, Formula):
        return checked_formula(table, name, value.text)
    return table.checked_value(name, value)


def _once(values: Iterable[Any]) -> tuple[Any, ...]:
    """Each value the first time it comes. 1 and 1.0 are two: to some options they mean different things."""
    return tuple({repr(canonical(value)): value for value in values}.values())


def taken_over(
    table: OptionTable, options: Mapping[str, Any], axes: Mapping[str, tuple[Any, ...]]
) -> tuple[dict[str, Any], dict[str, tuple[Any, ...]], tuple[str, ...]]:
    """The options and axes that were stored for another trainer, as far as this one takes them, and what was
    left out, in words."""
    notes = []

    def taken(name: str, values: Iterable[Any]) -> bool:
        try:
            for value in _stored(table, name, values):
                _checked(table, name, value)
        except OptionValueError as error:
            notes.append(f"{name} was left out: {error}")
            return False
        return True

    return (
        {name: value for name, value in options.items() if taken(name, (value,))},
        {name: values for name, values in axes.items() if taken(name, values)},
        tuple(notes),
    )


def assignments_of(texts: Iterable[str]) -> dict[str, str]:
    """Expressions by option name, from `name=expression`. Raises OptionValueError where the `=` is missing or a
    name comes twice."""
    assignments: dict[str, str] = {}
    for text in texts:
        name, equals, expression = text.partition("=")
        name = name.strip()
        if not equals or not name:
            raise OptionValueError(f"{text!r} says no value: write it as name=value or name=value,value,value.")
        if name in assignments:
            raise OptionValueError(f"{name} is set twice: write its values at once, as name=value,value.")
        assignments[name] = expression.strip()
    return assignments


def assignments_in(text: str) -> dict[str, str]:
    """Expressions by option name, from what one would add to a trainer's command line: `--min_snr_gamma=5
    --noise_offset 0.05,0.1 --shuffle_caption` (S1-41). A name without a value is a switch that is on; several
    words are one value, that of a list."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise OptionValueError(f"{text!r}: a quotation mark is not closed.") from error
    items: list[str] = []
    for word in words:
        if word.startswith("--"):
            items.append(word.removeprefix("--"))
        elif items and "=" not in items[-1]:
            items[-1] += f"={word}"
        elif items:
            items[-1] += f" {word}"
        else:
            raise OptionValueError(f"{word!r} in {text!r} belongs to no option. Write it as --name=value.")
    return assignments_of(item if "=" in item else f"{item}=true" for item in items)
