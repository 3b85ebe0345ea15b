"""What a look at this machine, or at a grid before it starts, has found: one thing, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    """Works, but slower, or not as it was meant."""
    STOP = "stop"
    """Trainings fail as long as this is so, or are not what was meant."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    check: str
    level: Level
    message: str
    """What is, and where it is not well, what would be."""
    cure: str = ""
    """What to do next, where there is something to do."""
    runs: tuple[str, ...] = ()
    """The runs of a grid that it is about; empty = all of them."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """Findings about one thing."""

    title: str
    findings: tuple[Finding, ...]


def worst(sections: Iterable[Section]) -> Level:
    """How bad it is where it is worst."""
    levels = [finding.level for section in sections for finding in section.findings]
    return max(levels, key=list(Level).index, default=Level.OK)
