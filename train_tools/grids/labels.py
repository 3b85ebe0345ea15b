"""What makes a run differ from its neighbours, as people read it; and which runs they have unticked by that."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from train_tools.model.grid import Grid, label_of

BASE_MODEL = "pretrained_model_name_or_path"
SEED = "seed"


def varied_in(grid: Grid, options: Mapping[str, Any]) -> dict[str, Any]:
    """What makes a run of the grid differ from its neighbours, as people read it. An option that only some runs
    have is told of those."""
    by_seed = (SEED,) if grid.rules.seeds > 1 or grid.rules.other_seed else ()
    names = dict.fromkeys((*grid.axes, *by_seed))
    return {name: _shown(name, options[name]) for name in names if name in options}


def is_left_out(grid: Grid, options: Mapping[str, Any]) -> bool:
    """Whether the run of these options was unticked."""
    return bool(grid.rules.left_out) and label_of(varied_in(grid, options)) in grid.rules.left_out


def _shown(name: str, value: Any) -> Any:
    if name == BASE_MODEL:
        return Path(str(value)).stem
    return " ".join(str(item) for item in value) if isinstance(value, tuple) else value
