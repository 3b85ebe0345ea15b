"""A preset: options that go together, under a name, with the reason why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from train_tools.model.grid import Rules


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Options and axes, and the size of the training images where it matters."""

    name: str
    why: str = ""
    """A plain sentence."""
    options: Mapping[str, Any] = field(default_factory=dict)
    axes: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    rules: Rules = field(default_factory=Rules)
    size_px: tuple[int, int] | None = None
    """Width and height."""
    engine: str = ""
    """The trainer that the options are for; empty = the bundled one, or any that knows them."""
    family: str = ""
    """Of the base models it is for (`sd1`, `sd2`, `sdxl`); empty = any."""
    shipped: bool = False
    """Came with Train Tools, and can't be changed or deleted."""
    problem: str = ""
    """Why its file can't be read, in words; the preset is listed all the same."""
