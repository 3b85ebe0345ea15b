"""A job: one supervised process tree in the queue, and the moves its state may make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class JobState(StrEnum):
    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    PAUSED = "paused"
    LOST = "lost"

    @property
    def finished(self) -> bool:
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED, JobState.LOST)

    @property
    def active(self) -> bool:
        """A process tree may be alive."""
        return self in (JobState.STARTING, JobState.RUNNING)

    def may_become(self, other: JobState) -> bool:
        return other in ALLOWED_MOVES[self]


ALLOWED_MOVES: Mapping[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.STARTING, JobState.PAUSED, JobState.CANCELLED, JobState.LOST}),
    JobState.PAUSED: frozenset({JobState.QUEUED, JobState.CANCELLED, JobState.LOST}),
    JobState.STARTING: frozenset(
        {JobState.RUNNING, JobState.QUEUED, JobState.DONE, JobState.FAILED, JobState.CANCELLED, JobState.LOST}
    ),
    JobState.RUNNING: frozenset(
        {JobState.QUEUED, JobState.DONE, JobState.FAILED, JobState.CANCELLED, JobState.LOST}
    ),
    JobState.DONE: frozenset({JobState.QUEUED}),
    JobState.FAILED: frozenset({JobState.QUEUED}),
    JobState.CANCELLED: frozenset({JobState.QUEUED}),
    JobState.LOST: frozenset({JobState.QUEUED}),
}


class Wish(StrEnum):
    """What somebody wants of an active job: to end it for good, or to put it back into the queue."""

    CANCEL = "cancel"
    REQUEUE = "requeue"


@dataclass(frozen=True, kw_only=True)
class NewJob:
    """A job to be added. `folder` is relative to the outputs folder; `subject` is what the kind works on."""

    kind: str
    title: str
    folder: str
    subject: Mapping[str, Any] = field(default_factory=dict)
    total_steps: int = 0
    attempt: int = 0
    """Attempts that already lie in the folder; the first claim makes the next number."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A row of the queue."""

    id: int
    kind: str
    title: str
    folder: str
    subject: Mapping[str, Any]
    state: JobState
    attempt: int
    position: int
    slot: str | None = None
    host: str | None = None
    wish: Wish | None = None
    parent: int | None = None
    phase: str = ""
    step: int = 0
    total_steps: int = 0
    loss: float | None = None
    message: str = ""
    queued_at: float = 0.0
    started_at: float | None = None
    finished_at: float | None = None
    steps_started_at: float | None = None
    """When the first step of this attempt was reported; the ETA is calibrated from here."""
    first_step: int = 1
    """The number of that step: more than 1 when the attempt goes on where an earlier one ended."""

    @property
    def progress(self) -> float:
        """0..1."""
        return min(1.0, self.step / self.total_steps) if self.total_steps else 0.0

    def seconds_left(self, now: float) -> float | None:
        """The time left by this attempt's own pace, or None before there is one."""
        steps = self.step - self.first_step
        if self.state is not JobState.RUNNING or steps < 1 or self.steps_started_at is None:
            return None
        pace = (now - self.steps_started_at) / steps
        return max(0.0, (self.total_steps - self.step) * pace)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How an attempt is judged: the state the job moves to, and why in words."""

    state: JobState
    message: str = ""
