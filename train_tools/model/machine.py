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
