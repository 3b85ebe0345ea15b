"""Grid expressions: several values for one option. So far lists; a value with a comma is put in quotes."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from typing import Any

from train_tools.errors import OptionValueError
from train_tools.model.grid import Grid
from train_tools.options.table import checked_value, settable, value_from_text


def items_of(name: str, text: str) -> tuple[str, ...]:
    """The items of a comma list: `8, 16` or `"512,768", 1024`. Raises OptionValueError for an empty one."""
    try:
        items = tuple(item.strip() for item in next(csv.reader([text], skipinitialspace=True, strict=True)))
    except (csv.Error, StopIteration):
        raise OptionValueError(
            f"{name} = {text}: a value is wanted, or several with commas between them; a value that holds a "
            'comma stands in double quotes, as in "512,768", 1024.'
        ) from None
    if not items or not all(items):
        raise OptionValueError(
            f"{name} = {text}: there is an empty item. Write the values with one comma between."
        )
    return items


def values_of(name: str, text: str) -> tuple[Any, ...]:
    """The typed values of a comma list, each once, in the order they were typed."""
    return tuple(dict.fromkeys(value_from_text(name, item) for item in items_of(name, text)))


def assignments_from(settings: Iterable[str]) -> dict[str, str]:
    """`key=values` items of a command line, by key. Raises OptionValueError where the `=` is missing."""
    assignments = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name.strip():
            raise OptionValueError(f"{setting!r} says no value: write it as name=value or name=value,value,value.")
        assignments[name.strip()] = text.strip()
    return assignments


def grid_of(
    options: Mapping[str, Any], axes: Mapping[str, tuple[Any, ...]], assignments: Mapping[str, str]
) -> Grid:
    """The grid of stored options and axes, with what was typed over them. One value is no axis."""
    several = {name: tuple(values) for name, values in axes.items()}
    fixed = {name: checked_value(name, value) for name, value in options.items()}
    for name, text in assignments.items():
        settable(name)
        several[name] = values_of(name, text)
    for name, values in list(several.items()):
        several[name] = tuple(dict.fromkeys(checked_value(name, value) for value in values))
        if len(several[name]) == 1:
            fixed[name] = several.pop(name)[0]
        fixed = {key: value for key, value in fixed.items() if key not in several}
    return Grid(base=fixed, axes=several)
