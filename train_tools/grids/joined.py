"""Runs that were made of a grid's runs later and are shown beside them, though they are none of its cells: an
empty file each, named like the run, in the grid's folder. Taking one away takes the run out of the matrix."""

from __future__ import annotations

from train_tools.files import storage_error
from train_tools.model.paths import GridPaths


def join(grid: GridPaths, run: str) -> None:
    """Lets a run be shown with a grid. Does nothing when it is already."""
    try:
        grid.joined.mkdir(parents=True, exist_ok=True)
        (grid.joined / run).touch()
    except OSError as error:
        raise storage_error(grid.joined / run, error) from error


def joined(grid: GridPaths) -> tuple[str, ...]:
    """The names of the runs that joined, by name."""
    return tuple(sorted(entry.name for entry in grid.joined.iterdir())) if grid.joined.is_dir() else ()
