"""The runs of a grid: their specs, names and fingerprints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from train_tools.grids.cells import SEED, Cell
from train_tools.model.grid import Grid, Run, RunSpec, run_name
from train_tools.options.table import OptionTable

BASE_MODEL = "pretrained_model_name_or_path"


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


def varied_in(grid: Grid, options: Mapping[str, Any]) -> dict[str, Any]:
    """What makes a run of the grid differ from its neighbours, as people read it. An option that only some runs
    have is told of those."""
    by_seed = (SEED,) if grid.rules.seeds > 1 or grid.rules.other_seed else ()
    names = dict.fromkeys((*grid.axes, *by_seed))
    return {name: _shown(name, options[name]) for name in names if name in options}


def _shown(name: str, value: Any) -> Any:
    if name == BASE_MODEL:
        return Path(str(value)).stem
    return " ".join(str(item) for item in value) if isinstance(value, tuple) else value
