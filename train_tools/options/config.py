"""Option values as the flat TOML that sd-scripts trainers read with `--config_file`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def config_table(options: Mapping[str, Any]) -> dict[str, Any]:
    """The values as TOML holds them: None is left out, tuples become arrays."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in options.items()
        if value is not None
    }
