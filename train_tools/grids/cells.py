"""The cells of a grid: the options of each of its runs, with formulas computed and rules obeyed."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from train_tools.errors import OptionValueError
from train_tools.grids.conditions import Condition, condition_of
from train_tools.grids.formulas import value_of
from train_tools.grids.labels import SEED, is_left_out
from train_tools.model.grid import Formula, Grid
from train_tools.options.table import OptionTable

MOST_COUNTED = 2_000
"""Cells that are looked at one by one to count the runs; of larger grids the product is told."""

Cell = Mapping[str, Any]


@dataclass(frozen=True)
class Count:
    """How many runs a grid has; `exact` is False where excluded and equal cells were not taken out."""

    runs: int
    exact: bool


def product_size(grid: Grid) -> int:
    """How many cells there are before any is left out."""
    return math.prod(len(choices) for choices in _choices(grid)) * max(1, grid.rules.seeds)


def count_cells(table: OptionTable, grid: Grid) -> Count:
    """How many runs a grid has. Cheap for any grid: no file is read."""
    size = product_size(grid)
    if size <= MOST_COUNTED:
        return Count(sum(not is_left_out(grid, cell) for cell in cells_of(table, grid)), exact=True)
    most = min(size, grid.rules.sample or size)
    plain = not (grid.rules.only_when or grid.rules.exclude or _formulas(grid))
    return Count(most + grid.rules.other_seed, exact=plain)


def cells_of(table: OptionTable, grid: Grid) -> Iterator[Cell]:
    """The options of each run, first axis outermost; cells of the same options come once. Those that were unticked
    are among them: who lists runs shows them, who trains runs passes them over."""
    cells = _distinct(_kept(table, grid), _varying(grid))
    if grid.rules.sample:
        cells = _drawn(grid, list(cells))
    first = None
    for cell in cells:
        first = first if first is not None else cell
        yield cell
    if first is None:
        raise OptionValueError(
            f"The grid has no runs: each of its {product_size(grid):,} cells is excluded by "
            f"{'; '.join(grid.rules.exclude)}. Take an exclusion out."
        )
    if grid.rules.other_seed:
        yield {**first, SEED: _seed_of(first, "the run with another seed") + grid.rules.seeds}


def _kept(table: OptionTable, grid: Grid) -> Iterator[Cell]:
    conditions = {name: condition_of(table, text) for name, text in grid.rules.only_when.items()}
    exclusions = [condition_of(table, text) for text in grid.rules.exclude]
    for name in conditions:
        table.settable(name)
    computes = bool(conditions) or bool(_formulas(grid))
    for raw in _product(grid):
        cell = _Resolved(table, raw, conditions).cell() if computes else raw
        if not any(exclusion.holds(_reader(table, cell)) for exclusion in exclusions):
            yield cell


def _product(grid: Grid) -> Iterator[Cell]:
    for choice in itertools.product(*_choices(grid)):
        cell = {**grid.base, **{name: value for group in choice for name, value in group}}
        yield cell
        for further in range(1, grid.rules.seeds):
            yield {**cell, SEED: _seed_of(cell, "repeats over seeds") + further}


def _choices(grid: Grid) -> list[Sequence[tuple[tuple[str, Any], ...]]]:
    """For each axis, or group of axes that go together, the values to choose from."""
    group_of = {name: group for group in _zipped(grid) for name in group}
    choices: list[Sequence[tuple[tuple[str, Any], ...]]] = []
    for name in grid.axes:
        group = group_of.get(name, (name,))
        if name == next(axis for axis in grid.axes if axis in group):
            columns = [[(axis, value) for value in grid.axes[axis]] for axis in group]
            choices.append(list(zip(*columns, strict=True)) if len(group) > 1 else [(one,) for one in columns[0]])
    return choices


def _zipped(grid: Grid) -> Iterator[tuple[str, ...]]:
    """Groups of axes that go together. Raises OptionValueError when they are not equally long."""
    for group in grid.rules.zipped:
        lengths = {name: len(grid.values(name)) for name in group}
        if len(set(lengths.values())) > 1 or 0 in lengths.values():
            told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            raise OptionValueError(
                f"{' and '.join(group)} go together, so they need equally many values: {told}. "
                "A value that stands twice counts once."
            )
        if all(name in grid.axes for name in group):
            yield group


def _formulas(grid: Grid) -> bool:
    values = itertools.chain(grid.base.values(), *grid.axes.values())
    return any(isinstance(value, Formula) for value in values)


def _drawn(grid: Grid, cells: Sequence[Cell]) -> Iterator[Cell]:
    """Some of the cells by chance, in their order. The same seed draws the same."""
    count = min(grid.rules.sample, len(cells))
    drawn = random.Random(grid.rules.sample_seed).sample(range(len(cells)), count)
    return (cells[place] for place in sorted(drawn))


def _varying(grid: Grid) -> tuple[str, ...]:
    """The options in which cells can differ."""
    formulas = (name for name, value in grid.base.items() if isinstance(value, Formula))
    return tuple({*grid.axes, *formulas, *grid.rules.only_when, SEED})


def _distinct(cells: Iterator[Cell], varying: Sequence[str]) -> Iterator[Cell]:
    """Each cell the first time it comes. 1 and 1.0 differ where the option's type lets them."""
    seen = set()
    for cell in cells:
        values = tuple((type(cell.get(name)), cell.get(name)) for name in varying)
        if values not in seen:
            seen.add(values)
            yield cell


def _seed_of(cell: Cell, what: str) -> int:
    seed = cell.get(SEED)
    if not isinstance(seed, int):
        raise OptionValueError(f"For {what} the option {SEED} has to be a number: set it, as in {SEED}=1.")
    return seed


def _reader(table: OptionTable, cell: Cell) -> Any:
    return lambda name: cell[name] if name in cell else table.default_of(name)


class _Resolved:
    """One cell whose values depend on each other."""

    def __init__(self, table: OptionTable, raw: Cell, conditions: Mapping[str, Condition]) -> None:
        self._table = table
        self._raw = raw
        self._conditions = conditions
        self._known: dict[str, Any] = {}
        self._asking: list[str] = []

    def cell(self) -> Cell:
        return {name: self._value(name) for name in self._raw if self._is_set(name)}

    def _is_set(self, name: str) -> bool:
        condition = self._conditions.get(name)
        return condition is None or self._guarded(name, lambda: condition.holds(self._value))

    def _value(self, name: str) -> Any:
        if name not in self._known:
            self._known[name] = self._found(name)
        return self._known[name]

    def _found(self, name: str) -> Any:
        if name not in self._raw or not self._is_set(name):
            return self._table.default_of(name)
        raw = self._raw[name]
        if not isinstance(raw, Formula):
            return raw
        return self._guarded(name, lambda: value_of(self._table, name, raw, self._value))

    def _guarded(self, name: str, find: Any) -> Any:
        """Raises OptionValueError when a value is asked for while it is being found."""
        if name in self._asking:
            circle = " -> ".join([*self._asking[self._asking.index(name) :], name])
            raise OptionValueError(
                f"{name} depends on itself: {circle}. Give one of these a value that is no formula."
            )
        self._asking.append(name)
        try:
            return find()
        finally:
            self._asking.pop()
