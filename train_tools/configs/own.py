"""Files of Train Tools itself: a preset, a version, a grid or a run, whose options and axes are taken as they
are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from train_tools.configs.intake import Intake, TableOf, nobody
from train_tools.errors import OptionValueError
from train_tools.grids.expressions import values_of
from train_tools.grids.record import FORMAT as GRID_FORMAT
from train_tools.model.config import ConfigFormat, Fate, ImportedConfig
from train_tools.model.grid import value_stored
from train_tools.options.table import OptionTable

TABLES = ("options", "axes")
ENGINE, TRAINER = "engine", "trainer"
NEWEST = GRID_FORMAT
"""The newest format of any of these files."""


def is_own(table: Mapping[str, Any]) -> bool:
    return "format" in table and isinstance(table.get("options"), dict)


def import_own(
    said: Mapping[str, Any], name: str, table: OptionTable, table_of: TableOf = nobody
) -> ImportedConfig:
    """The options are those of the trainer that the file names, where it is here, else of `table`. Raises
    OptionValueError for a file of a newer Train Tools: its keys may mean something else."""
    number = said["format"]
    if not isinstance(number, int) or isinstance(number, bool) or number > NEWEST:
        raise OptionValueError(
            f"{name} has format {number!r}; this Train Tools reads formats up to {NEWEST}. Import it with the "
            "newer Train Tools that wrote it."
        )
    options = said["options"]
    axes = said.get("axes", {})
    axes = axes if isinstance(axes, dict) else {}
    key, trainer = _trainer(said)
    table = table_of(trainer) or table
    intake = Intake(ConfigFormat.TRAIN_TOOLS, {**said, **options, **axes}, table)
    if trainer:
        intake.name_trainer(key, trainer)
    for option, value in options.items():
        intake.set(option, option, value_stored(value))
    for option, written in axes.items():
        _axis(intake, table, option, written)
    for key in said:
        if key not in (*TABLES, *((ENGINE, TRAINER) if trainer else ())):
            intake.leave(key, Fate.LEFT_OUT, "it belongs to the version, grid or run that the file is of")
    return intake.imported()


def _trainer(said: Mapping[str, Any]) -> tuple[str, str]:
    """The key that names a trainer, and its name; versions and presets have a table for it."""
    table = said.get(TRAINER)
    key, name = (TRAINER, table.get(ENGINE)) if isinstance(table, dict) else (ENGINE, said.get(ENGINE))
    return key, name if isinstance(name, str) else ""


def _axis(intake: Intake, table: OptionTable, key: str, written: Any) -> None:
    """An axis is a list of values, or what one would type."""
    try:
        values = values_of(table, key, written) if isinstance(written, str) else tuple(map(value_stored, written))
    except (OptionValueError, TypeError) as error:
        intake.leave(key, Fate.NOT_USABLE, str(error))
    else:
        intake.set_axis(key, values)
