"""Grid expressions: several values for one option. So far lists; a value with a comma is put in quotes."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from typing import Any

from train_tools.errors import OptionValueError
from train_tools.model.grid import Grid, canonical
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
    return _once(value_from_text(name, item) for item in items_of(name, text))


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
        several[name] = _once(checked_value(name, value) for value in values)
        if not several[name]:
            raise OptionValueError(f"{name} has no value: give it at least one, or take it out of the axes.")
        if len(several[name]) == 1:
            fixed[name] = several.pop(name)[0]
        fixed = {key: value for key, value in fixed.items() if key not in several}
    return Grid(base=fixed, axes=several)


def _once(values: Iterable[Any]) -> tuple[Any, ...]:
    """Each value the first time it comes. 1 and 1.0 are two: to some options they mean different things."""
    return tuple({repr(canonical(value)): value for value in values}.values())
