"""One run as a config file for kohya's sd-scripts: its names, its TOML types, and what it would else take for
granted otherwise."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import tomli_w

from sd_contract.options import kohya_options
from train_tools.model.config import ExportedConfig
from train_tools.model.grid import BUNDLED
from train_tools.model.paths import VersionPaths
from train_tools.options.config import config_table
from train_tools.options.table import DATASET_OPTIONS, OptionTable

CAPTION_SUFFIX = ".txt"
SCRIPT = "script"
"""Says which script of a checkout is started, and is no option of any."""


def export_run(
    table: OptionTable, options: Mapping[str, Any], version: VersionPaths, name: str, title: str = ""
) -> ExportedConfig:
    """The file for a run with these options on the images of a version. sd-scripts ignores what it does not know
    without a word, so options of ours alone are left out, and told."""
    known = _known_to(table)
    typed = {key: table.checked_value(key, value) for key, value in options.items() if value is not None}
    ours = sorted(key for key, value in typed.items() if key not in known and value != table[key].spec.default)
    told = {key: value for key, value in typed.items() if key in known}
    written = config_table({**_unlike_here(table), **_places(version, name), **told})
    notes = tuple(f"{key} was left out: sd-scripts has no such option." for key in ours)
    lines = (f"{_one_line(title or name)}, a run of Train Tools for kohya's sd-scripts", *notes)
    head = "".join(f"# {line}\n" for line in lines)
    return ExportedConfig(name=name, text=head + tomli_w.dumps(written), notes=notes)


def _known_to(table: OptionTable) -> Collection[str]:
    """What sd-scripts knows; of a checkout, that is what its own scripts have."""
    ours = {SCRIPT, *(spec.name for spec in DATASET_OPTIONS)}
    return kohya_options() if table.engine == BUNDLED else {name for name in table if name not in ours}


def _one_line(text: str) -> str:
    """The text as a comment can hold it."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _unlike_here(table: OptionTable) -> dict[str, Any]:
    """What sd-scripts takes for granted otherwise, or not at all."""
    if table.engine != BUNDLED:
        return {}
    known = kohya_options()
    defaults = {key: option.spec.default for key, option in table.items() if key in known}
    return {
        key: value for key, value in defaults.items() if value not in (None, ()) and value != known[key].default
    }


def _places(version: VersionPaths, output_name: str) -> dict[str, Any]:
    """Where the images are and the files go; sd-scripts fails at its first save without an output folder."""
    regularisation = version.regularisation
    return {
        "train_data_dir": str(version.processed),
        **({"reg_data_dir": str(regularisation)} if regularisation.is_dir() else {}),
        "caption_extension": CAPTION_SUFFIX,
        "output_dir": str(version.trains / "sd-scripts"),
        "output_name": output_name,
    }
