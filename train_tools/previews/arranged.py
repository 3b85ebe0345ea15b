"""Pictures put into rows and columns. Knows axes and their order, not what is behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from train_tools.model.preview import Cell, Line, Picture, PreviewMatrix, PreviewSettings, Value
from train_tools.previews.axes import (
    AXES,
    CHECKPOINT,
    RUN,
    SOURCE,
    Arrangement,
    combinations,
    text_of,
    values_of,
    words_of,
)

BASE_MODEL_ALONE = "base model"
Key = tuple[Any, ...]
InOrder = Callable[[tuple[str, ...], Iterable[Key]], list[Key]]


@dataclass(frozen=True)
class Entry:
    """A picture and its value on each axis. `base` names a base model that is shown alone, "" = with a LoRA."""

    values: Mapping[str, Any]
    picture: Picture
    file: Path
    checkpoint: Path | None
    base: str = ""
    sampled: bool = False


class Arranged:
    """Entries by the lines they belong to. `runs` are the runs' labels in their order, `checkpoints` those of
    checkpoints as they were trained. `ranks` say which checkpoints' rows come first where that is not their
    axes' business."""

    def __init__(
        self,
        arrangement: Arrangement,
        settings: PreviewSettings,
        entries: Sequence[Entry],
        runs: Mapping[str, str],
        checkpoints: Sequence[str],
        ranks: Mapping[Path, int] | None = None,
    ) -> None:
        self._arrangement = arrangement
        self._settings = settings
        self._entries = entries
        self._runs = runs
        self._ranks = ranks or {}
        found = {axis: list(values) for axis, values in values_of(settings).items()}
        self._order: dict[str, dict[Any, int]] = {
            axis: {value: number for number, value in enumerate(values)}
            for axis, values in (*found.items(), (RUN, runs), (CHECKPOINT, checkpoints))
        }

    def matrix(self, notes: tuple[str, ...]) -> PreviewMatrix:
        base_is_a_column = self._arrangement.base_is_a_column
        rows = self._lines(self._arrangement.rows, self._ranked, shows_base=not base_is_a_column)
        columns = self._lines(self._arrangement.columns, self._sorted, shows_base=base_is_a_column)
        return PreviewMatrix(
            rows=rows.lines,
            columns=columns.lines,
            cells=tuple(self._cells(rows, columns)),
            settings=self._settings,
            notes=notes,
            row_axes=self._arrangement.rows,
            column_axes=self._arrangement.columns,
        )

    def _cells(self, rows: _Lines, columns: _Lines) -> Iterable[Cell]:
        taken: dict[tuple[int, int], int] = {}
        for entry in self._entries:
            at = rows.number_of(entry), columns.number_of(entry)
            place = taken.get(at, 0)
            taken[at] = place + 1
            yield Cell(
                row=at[0],
                column=at[1],
                picture=entry.picture,
                file=entry.file,
                checkpoint=entry.checkpoint,
                place=place,
                sampled=entry.sampled,
            )

    def _lines(self, axes: tuple[str, ...], in_order: InOrder, *, shows_base: bool) -> _Lines:
        """The lines of one side in their order. Those of the base model stand on the checkpoints' side, first; on
        the other side its pictures go into lines that are there anyway, also before there is a checkpoint."""
        of_loras = {_key(axes, entry.values) for entry in self._entries if not entry.base}
        if all(axis in AXES for axis in axes):
            of_loras |= {_key(axes, combination) for combination in combinations(self._settings)}
        bases = {_base_key(axes, entry): entry for entry in self._entries if entry.base and shows_base}
        if not of_loras and not bases:
            of_loras = {_key(axes, entry.values) for entry in self._entries}
        keys = [*bases, *in_order(axes, of_loras)]
        lines = [self._base_line(axes, bases[key]) for key in bases]
        lines += [self._line(axes, key) for key in keys[len(bases) :]]
        return _Lines(axes, tuple(lines), {key: number for number, key in enumerate(keys)})

    def _sorted(self, axes: tuple[str, ...], keys: Iterable[Key]) -> list[Key]:
        for entry in self._entries:
            for axis in axes:
                order = self._order.setdefault(axis, {})
                order.setdefault(entry.values.get(axis, ""), len(order))
        return sorted(
            keys, key=lambda key: [self._order[axis].get(v, -1) for axis, v in zip(axes, key, strict=True)]
        )

    def _ranked(self, axes: tuple[str, ...], keys: Iterable[Key]) -> list[Key]:
        """The same, those first that show the checkpoint of the best rank."""
        ranks: dict[Key, int] = {}
        for entry in self._entries:
            key, rank = _key(axes, entry.values), self._ranks.get(entry.checkpoint) if entry.checkpoint else None
            if rank is not None:
                ranks[key] = min(rank, ranks.get(key, rank))
        return sorted(self._sorted(axes, keys), key=lambda key: ranks.get(key, len(self._ranks)))

    def _line(self, axes: tuple[str, ...], key: Key) -> Line:
        return Line(values=tuple(self._value(axis, value) for axis, value in zip(axes, key, strict=True)))

    def _value(self, axis: str, value: Any) -> Value:
        return Value(axis, value, self._text(axis, value), words_of(axis))

    def _text(self, axis: str, value: Any) -> str:
        if axis in AXES:
            return text_of(axis, value)
        if axis == RUN:
            return self._runs.get(value, str(value))
        return str(value) if axis in (CHECKPOINT, SOURCE) else f"{axis}={value}"

    def _base_line(self, axes: tuple[str, ...], entry: Entry) -> Line:
        """Says "base model" where it first would speak of a LoRA, and which one instead of the checkpoint."""
        own = [axis for axis in axes if not is_of_settings(axis)]
        texts = dict.fromkeys(own, "") | {CHECKPOINT: entry.base}
        first = own[0]
        texts[first] = f"{BASE_MODEL_ALONE} {entry.base}" if first == CHECKPOINT else BASE_MODEL_ALONE
        values = tuple(
            Value(axis, None, texts[axis], words_of(axis))
            if axis in own
            else self._value(axis, entry.values[axis])
            for axis in axes
        )
        return Line(values=values, is_base=True)


@dataclass(frozen=True)
class _Lines:
    """The lines of one side, and which is whose."""

    axes: tuple[str, ...]
    lines: tuple[Line, ...]
    numbers: dict[Key, int]

    def number_of(self, entry: Entry) -> int:
        key = _base_key(self.axes, entry) if entry.base else _key(self.axes, entry.values)
        number = self.numbers.get(key)
        if number is None:
            number = self.numbers[key] = self._first_like(entry)
        return number

    def _first_like(self, entry: Entry) -> int:
        """The first line that differs from the base model's picture only in what that does not have."""
        wanted = [(axis, entry.values[axis]) for axis in self.axes if is_of_settings(axis)]
        return next(
            (number for number, line in enumerate(self.lines) if all(line[axis] == v for axis, v in wanted)), 0
        )


def is_of_settings(axis: str) -> bool:
    """Whether the base model alone has a value there."""
    return axis in AXES and axis != "weight"


def _key(axes: tuple[str, ...], values: Mapping[str, Any]) -> Key:
    return tuple(values.get(axis, "") for axis in axes)


def _base_key(axes: tuple[str, ...], entry: Entry) -> Key:
    return (entry.picture.base, *(entry.values[axis] for axis in axes if is_of_settings(axis)), "alone")
