"""What is to become of the machine when the queue is done, and what it shows on its desktop."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Then(StrEnum):
    NOTHING = "nothing"
    SHUT_DOWN = "shut_down"


@dataclass(frozen=True, kw_only=True)
class AfterQueue:
    """What was asked for, and how far it is."""

    then: Then = Then.NOTHING
    seconds_left: int | None = None
    """Until the machine is shut down; None as long as something is to be done."""
    problem: str = ""
    """Why the machine could not be shut down, or can't be."""


@dataclass(frozen=True, kw_only=True)
class ShownPlace:
    """A folder or file that was to be shown in the file manager."""

    path: Path
    shown: bool
    reason: str = ""
    """Why it was not."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """How much of something is used."""

    used_bytes: int
    total_bytes: int


@dataclass(frozen=True, kw_only=True)
class CardLoad:
    """A graphics card, as its driver tells."""

    name: str
    busy: float | None
    """0..1 of the last second; None when it does not tell."""
    memory: Share
    degrees_c: float | None


@dataclass(frozen=True, kw_only=True)
class Load:
    """How busy a machine is."""

    processors: float
    """0..1 of all together, since the question before."""
    memory: Share
    disk: Share
    """That of the outputs folder."""
    cards: tuple[CardLoad, ...]
