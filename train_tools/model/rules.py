"""Rules of a grid as a table of a TOML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from train_tools.errors import StorageError
from train_tools.model.grid import Rules

_WANTED = {
    "zipped": "a list of lists of option names",
    "only_when": "a table of conditions by option",
    "exclude": "a list of conditions",
    "sample": "a whole number, 0 or more",
    "sample_seed": "a whole number",
    "seeds": "a whole number, 1 or more",
    "other_seed": "true or false",
    "left_out": "a list of labels of runs",
}


def rules_table(rules: Rules) -> dict[str, Any]:
    """What differs from no rules."""
    plain = Rules()
    return {
        name: [list(group) for group in value] if name == "zipped" else _plain(value)
        for name, value in asdict(rules).items()
        if value != getattr(plain, name)
    }


def rules_in(table: Any, where: Path) -> Rules:
    """The rules in a table; `where` is named when something can't be used. Raises StorageError."""
    if not isinstance(table, Mapping):
        raise StorageError(f"{where}: rules = {table!r} is not a table. Write [rules] above its lines.")
    known = {field.name for field in fields(Rules)}
    for name in table:
        if name not in known:
            raise StorageError(
                f"{where}: [rules] knows no {name!r}, only {', '.join(sorted(known))}. Mend or delete the line."
            )
    values = {name: _read(name, value, where) for name, value in table.items()}
    return Rules(**values)


def _read(name: str, value: Any, where: Path) -> Any:
    if not _FITS[name](value):
        raise StorageError(f"{where}: {name} = {value!r} in [rules] can't be used: it has to be {_WANTED[name]}.")
    if name == "zipped":
        return tuple(tuple(group) for group in value)
    return tuple(value) if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _whole(least: int) -> Any:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= least


_FITS = {
    "zipped": lambda value: isinstance(value, list) and all(_texts(group) for group in value),
    "only_when": lambda value: isinstance(value, dict) and _texts(list(value.values())),
    "exclude": _texts,
    "sample": _whole(0),
    "sample_seed": _whole(-(2**63)),
    "seeds": _whole(1),
    "other_seed": lambda value: isinstance(value, bool),
    "left_out": _texts,
}
