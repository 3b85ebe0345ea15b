"""The runs of a grid: their specs, names and fingerprints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from train_tools.grids.cells import Cell
from train_tools.grids.labels import BASE_MODEL, varied_in
from train_tools.model.grid import Grid, Run, RunSpec, run_name
from train_tools.options.table import OptionTable


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What decides a run's result besides its options."""

    dataset: Callable[[Cell], str]
    """The content hash of the dataset that a cell is trained on."""
    base_models: Mapping[str, str]
    """The file hash of each base model's path."""
    engine: str
    contract: int | str
    table: OptionTable
    """The options of that engine."""


def runs_of(grid: Grid, cells: Iterable[Cell], facts: Facts) -> tuple[Run, ...]:
    """The runs of cells of the grid. Cells that mean the same run (a value that is another's default, say) are one
    run."""
    runs: dict[str, Run] = {}
    for options in cells:
        path = str(options[BASE_MODEL])
        spec = RunSpec(
            options=facts.table.canonical(options),
            dataset=facts.dataset(options),
            base_model=facts.base_models[path],
            engine=facts.engine,
            contract=facts.contract,
        )
        if spec.fingerprint not in runs:
            varied = varied_in(grid, options)
            name = run_name(spec, Path(path).stem, varied)
            runs[spec.fingerprint] = Run(name=name, spec=spec, varied=varied, options=options)
    return tuple(runs.values())
