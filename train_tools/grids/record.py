"""grid.toml: the runs of a grid, and what was typed to get them. People may edit it and submit it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from train_tools.errors import NotFoundError, StorageError
from train_tools.files import read_toml, storage_error, write_toml
from train_tools.model.grid import BUNDLED, Grid, Typed, stored_value, value_stored
from train_tools.model.paths import GridPaths, VersionPaths
from train_tools.model.rules import rules_in, rules_table

FORMAT = 3


@dataclass(frozen=True, kw_only=True)
class GridRecord:
    """A grid that was submitted."""

    name: str
    grid: Grid
    runs: tuple[str, ...]
    created: datetime


def write_grid(version: VersionPaths, record: GridRecord) -> None:
    paths = version.grid(record.name)
    try:
        paths.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(paths.folder, error) from error
    grid = record.grid
    write_toml(
        paths.record,
        {
            "format": FORMAT,
            "name": record.name,
            "created": record.created,
            "runs": list(record.runs),
            "engine": grid.engine,
            "options": {name: stored_value(value) for name, value in grid.base.items() if value is not None},
            "axes": {name: stored_value(values) for name, values in grid.axes.items()},
            **({"rules": table} if (table := rules_table(grid.rules)) else {}),
        },
    )


def read_grid(paths: GridPaths) -> GridRecord:
    """Raises NotFoundError when there is no such grid, StorageError when its file is damaged."""
    if not paths.record.is_file():
        raise NotFoundError(f"There is no grid {paths.folder.name!r} in this version.")
    table = read_toml(paths.record)
    try:
        if table["format"] > FORMAT:
            raise StorageError(
                f"{paths.record} was written by a newer Train Tools; use that one to open this grid."
            )
        return GridRecord(
            name=paths.folder.name,
            grid=Grid(
                base={name: value_stored(value) for name, value in table["options"].items()},
                axes={name: _axis(values) for name, values in table["axes"].items()},
                rules=rules_in(table.get("rules", {}), paths.record),
                engine=str(table.get("engine", BUNDLED)),
            ),
            runs=tuple(table.get("runs", ())),
            created=table["created"],
        )
    except KeyError as error:
        raise StorageError(f"{paths.record} is not a whole grid: {error} is missing.") from error
    except (TypeError, AttributeError) as error:
        raise StorageError(f"{paths.record} is not a whole grid: {error}.") from error


def _axis(values: Any) -> tuple[Any, ...]:
    """The values of an axis: a list of them, or what one would type, as "8:64:*2"."""
    return (Typed(values),) if isinstance(values, str) else tuple(value_stored(list(values)))


def grids_of(version: VersionPaths) -> tuple[GridRecord, ...]:
    """The version's grids, newest first; damaged ones are left out."""
    found = []
    for record in version.grids.glob("*/grid.toml"):
        try:
            found.append(read_grid(GridPaths(record.parent)))
        except (StorageError, NotFoundError, ValueError):
            continue
    return tuple(sorted(found, key=lambda grid: (grid.created, grid.name), reverse=True))


def grid_name_for(version: VersionPaths, runs: Sequence[str]) -> str:
    """The name of the grid that has exactly these runs, else the next free `grid-NNN`."""
    for record in grids_of(version):
        if set(record.runs) == set(runs):
            return record.name
    number = 1
    while version.grid(f"grid-{number:03}").folder.exists():
        number += 1
    return f"grid-{number:03}"
