"""The runs of a grid: their specs, names and fingerprints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from train_tools.errors import OptionValueError
from train_tools.model.grid import Grid, Run, RunSpec, run_name
from train_tools.options.table import canonical_options

MOST_RUNS = 1000


def runs_of(
    grid: Grid, *, dataset: str, base_models: Mapping[str, str], engine: str, contract: int
) -> tuple[Run, ...]:
    """The runs, first axis outermost. `base_models` gives the file hash of each base model's path.

    Cells that mean the same run (a value that is another's default, say) are one run.
    """
    if len(grid) > MOST_RUNS:
        raise OptionValueError(
            f"This grid has {len(grid):,} runs; at most {MOST_RUNS:,} can be queued at once. Take some values out."
        )
    runs: dict[str, Run] = {}
    for options in grid.cells():
        path = str(options["pretrained_model_name_or_path"])
        spec = RunSpec(
            options=canonical_options(options),
            dataset=dataset,
            base_model=base_models[path],
            engine=engine,
            contract=contract,
        )
        varied = varied_in(grid, options)
        name = run_name(spec, Path(path).stem, varied)
        runs.setdefault(spec.fingerprint, Run(name=name, spec=spec, varied=varied, options=options))
    return tuple(runs.values())


def varied_in(grid: Grid, options: Mapping[str, Any]) -> dict[str, Any]:
    """What makes a run of the grid differ from its neighbours, as people read it."""
    return {name: _shown(name, options.get(name)) for name in grid.axes}


def _shown(name: str, value: Any) -> Any:
    if name == "pretrained_model_name_or_path":
        return Path(str(value)).stem
    return " ".join(str(item) for item in value) if isinstance(value, tuple) else value
