"""Files of Train Tools itself: a preset, a version, a grid or a run, whose options and axes are taken as they
are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from train_tools.configs.intake import Intake
from train_tools.errors import OptionValueError
from train_tools.grids.expressions import values_of
from train_tools.grids.record import FORMAT as GRID_FORMAT
from train_tools.model.config import ConfigFormat, Fate, ImportedConfig
from train_tools.model.grid import value_stored
from train_tools.options.table import OptionTable

TABLES = ("options", "axes")
NEWEST = GRID_FORMAT
"""The newest format of any of these files."""


def is_own(table: Mapping[str, Any]) -> bool:
    return "format" in table and isinstance(table.get("options"), dict)


def import_own(said: Mapping[str, Any], name: str, table: OptionTable) -> ImportedConfig:
    """Raises OptionValueError for a file of a newer Train Tools: its keys may mean something else."""
    number = said["format"]
    if not isinstance(number, int) or isinstance(number, bool) or number > NEWEST:
        raise OptionValueError(
            f"{name} has format {number!r}; this Train Tools reads formats up to {NEWEST}. Import it with the "
            "newer Train Tools that wrote it."
        )
    options = said["options"]
    axes = said.get("axes", {})
    axes = axes if isinstance(axes, dict) else {}
    intake = Intake(ConfigFormat.TRAIN_TOOLS, {**said, **options, **axes}, table)
    for key, value in options.items():
        intake.set(key, key, value_stored(value))
    for key, written in axes.items():
        _axis(intake, table, key, written)
    for key in said:
        if key not in TABLES:
            intake.leave(key, Fate.LEFT_OUT, "it belongs to the version, grid or run that the file is of")
    return intake.imported()


def _axis(intake: Intake, table: OptionTable, key: str, written: Any) -> None:
    """An axis is a list of values, or what one would type."""
    try:
        values = values_of(table, key, written) if isinstance(written, str) else tuple(map(value_stored, written))
    except (OptionValueError, TypeError) as error:
        intake.leave(key, Fate.NOT_USABLE, str(error))
    else:
        intake.set_axis(key, values)
