"""What people call the options of sd-scripts: labels, groups, help, units and usual values, from `words.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ALL = "all"
"""The group of options that nobody has put into another."""


@dataclass(frozen=True, kw_only=True)
class Words:
    label: str
    group: str = ALL
    help: str = ""
    unit: str = ""
    usual: str = ""
    simple: bool = False


def words_for(name: str) -> Words:
    """The words for an option; of an unknown one its own name."""
    return words().get(name) or Words(label=name.replace("_", " ").capitalize())


@cache
def words() -> Mapping[str, Words]:
    """By option name, in the order of forms."""
    tables = _read()
    return {
        name: Words(group=group, **entry)
        for group, table in tables.items()
        if group != "groups"
        for name, entry in table.items()
    }


@cache
def groups() -> Mapping[str, str]:
    """What each group is called, in the order of forms."""
    titles: dict[str, str] = _read()["groups"]
    return titles


@cache
def _read() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("words.toml").read_text(encoding="utf-8"))
