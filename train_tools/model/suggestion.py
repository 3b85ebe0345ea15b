"""What to try next: what people see in the pictures, and the options that may mend it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Symptom(StrEnum):
    """What is wrong with a result."""

    BURNT = "burnt"
    """Overfitted: it paints the training pictures, in harsh colours, whatever is asked for."""
    UNLIKE = "unlike"
    """It does not look like the subject."""
    NO_EFFECT = "no-effect"
    """Pictures are as without it."""
    NOT_A_NUMBER = "not-a-number"
    """The loss was no number."""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """One option for the next run."""

    name: str
    value: Any
    reason: str


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """A next run, prefilled."""

    symptom: Symptom
    changes: tuple[Proposal, ...]
    advice: tuple[str, ...]
    """What no option can do."""

    @property
    def options(self) -> Mapping[str, Any]:
        return {change.name: change.value for change in self.changes}
