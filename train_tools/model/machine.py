"""What is to become of the machine when the queue is done."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
