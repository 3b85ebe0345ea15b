"""The config files of kohya's sd-scripts: TOML with one level of sections whose names mean nothing, or the same
keys as JSON. sd-scripts checks neither names nor types of what stands there; here both are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sd_contract.options import kohya_options
from train_tools.configs.intake import Intake
from train_tools.configs.rules import Rules, same, take_in
from train_tools.model.config import ConfigFormat, Fate, ImportedConfig
from train_tools.options.table import OptionTable

DEFAULT_TOKENS = 75


def is_sd_scripts(table: Mapping[str, Any]) -> bool:
    """Whether any key is an option of sd-scripts, at the top or in a section."""
    inner = [key for section in table.values() if isinstance(section, dict) for key in section]
    return any(key in kohya_options() for key in (*table, *inner))


def import_sd_scripts(said: Mapping[str, Any], table: OptionTable) -> ImportedConfig:
    values, nested, twice = _flat(said)
    intake = Intake(ConfigFormat.SD_SCRIPTS, {**values, **nested}, table)
    for key in nested:
        intake.leave(key, Fate.UNKNOWN, "a table inside a table; sd-scripts does not read it either")
    intake.notes += [
        f"{key} stands in several sections; the last one counts, as in sd-scripts." for key in dict.fromkeys(twice)
    ]
    take_in(intake, RULES, same, values)
    return intake.imported()


def _max_token_length(intake: Intake, key: str, value: Any) -> None:
    if value == DEFAULT_TOKENS:
        intake.leave(key, Fate.WITHOUT_EFFECT, f"{DEFAULT_TOKENS} tokens are used anyway")
    else:
        same(intake, key, value)


RULES: Rules = {"max_token_length": _max_token_length}


def _flat(table: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """What stands at the top or in a section; tables deeper down, by their dotted name; keys that come twice."""
    values: dict[str, Any] = {}
    nested: dict[str, Any] = {}
    twice = []
    for key, value in table.items():
        for name, inner in value.items() if isinstance(value, dict) else [(key, value)]:
            if isinstance(inner, dict):
                nested[f"{key}.{name}"] = inner
            else:
                twice += [name] if name in values else []
                values[name] = inner
    return values, nested, twice
