"""Trainers as the user sees them: what is known of one, and whether it can train."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class EngineState:
    """One trainer, as its folder tells without anything in it being run."""

    name: str
    folder: Path
    python: Path | None
    """The interpreter of its own environment; None where it is the app's."""
    commit: str = ""
    scripts: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    """Code that its options may name because the user said so."""
    problem: str = ""
    """Why it can't be used, as far as that can be told so; empty = nothing is known against it."""


@dataclass(frozen=True, kw_only=True)
class EngineHealth:
    """What came out when a trainer's own environment was tried."""

    state: EngineState
    options: int = 0
    """How many options its scripts have."""
    unheard_of: tuple[str, ...] = ()
    """Options that have no words here: the trainer is newer than this Train Tools."""
    packages: tuple[tuple[str, str], ...] = ()
    """Versions of those that decide results or speed."""
    python: str = ""
    seconds: float = 0.0
    """That its script took to be imported."""
    problem: str = ""
    """What keeps it from training, with the last words of what was tried; empty = it can."""
