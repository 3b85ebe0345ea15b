"""A failed job as people are told of it: what happened, and what they can do next."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from train_tools.model.job import JobState


class NextStep(StrEnum):
    """What may be done about a failure with one command or one click."""

    RETRY = "retry"
    """The same once more; it goes on from the newest saved state."""
    LESS_MEMORY = "less-memory"
    SUGGEST = "suggest"
    CLONE = "clone"
    """The same with other options."""


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """Why a job failed, in words."""

    name: str
    """For programs: "out of memory", "disk full"; "unknown" when nothing is recognised."""
    happened: str
    advice: str
    next_steps: tuple[NextStep, ...]

    @property
    def sentence(self) -> str:
        return f"{self.happened} {self.advice}"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Everything that is known about the newest attempt at a job that did not end well."""

    job: int
    title: str
    state: JobState
    attempt: int
    exit_code: int | None
    """None when nobody saw the end, or nothing was started."""
    message: str
    """What the job itself says."""
    tail: str
    """The end of its log."""
    diagnosis: Diagnosis
