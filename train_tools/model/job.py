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
        {
            JobState.RUNNING,
            JobState.QUEUED,
            JobState.PAUSED,
            JobState.DONE,
            JobState.FAILED,
            JobState.CANCELLED,
            JobState.LOST,
        }
    ),
    JobState.RUNNING: frozenset(
        {
            JobState.QUEUED,
            JobState.PAUSED,
            JobState.DONE,
            JobState.FAILED,
            JobState.CANCELLED,
            JobState.LOST,
        }
    ),
    JobState.DONE: frozenset({JobState.QUEUED}),
    JobState.FAILED: frozenset({JobState.QUEUED}),
    JobState.CANCELLED: frozenset({JobState.QUEUED}),
    JobState.LOST: frozenset({JobState.QUEUED}),
}


class Wish(StrEnum):
    """What somebody wants of an active job once it has stopped: to end it for good, to keep it out of the queue
    for a while, or to put it back into the queue. The more final wish outweighs."""

    CANCEL = "cancel"
    PAUSE = "pause"
    REQUEUE = "requeue"

    def outweighs(self, other: Wish | None) -> bool:
        order = list(Wish)
        return other is None or order.index(self) < order.index(other)


class Stop(StrEnum):
    """How urgently an active job is to stop, from patient to at once. The words are those of the attempt's `stop`
    file (`sd_contract.attempt`)."""

    EPOCH = "epoch"
    """After the epoch it is at; its state is saved."""
    STEP = "step"
    """After the step it is at; its state is saved."""
    NOW = "now"
    """At once; what was saved last is what is left."""

    def outweighs(self, other: Stop | None) -> bool:
        order = list(Stop)
        return other is None or order.index(self) > order.index(other)


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
    priority: int = 0
    """Jobs of a higher one go first."""
    not_before: float | None = None
    """When it may start at the earliest, in seconds since the epoch."""
    grid: str = ""
    """The folder of the grid it belongs to, relative to the outputs folder; empty = to none."""
    stop_after_failures: int = 0
    """When so many jobs of its grid have failed, those that still wait are taken out; 0 = never."""


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
    priority: int = 0
    place: int | None = None
    """1 = the next to start; None when it does not wait."""
    not_before: float | None = None
    slot: str | None = None
    host: str | None = None
    wish: Wish | None = None
    stop: Stop | None = None
    """How urgently it was asked to stop."""
    exit_code: int | None = None
    """Of the newest attempt's process, when somebody saw it end."""
    grid: str = ""
    stop_after_failures: int = 0
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

    def steps_per_s(self, now: float) -> float | None:
        """This attempt's own pace, or None before there is one."""
        steps = self.step - self.first_step
        if self.state is not JobState.RUNNING or steps < 1 or self.steps_started_at is None:
            return None
        took = now - self.steps_started_at
        return steps / took if took > 0 else None

    def seconds_left(self, now: float) -> float | None:
        """The time left by that pace, or None before there is one."""
        pace = self.steps_per_s(now)
        return None if pace is None else max(0.0, (self.total_steps - self.step) / pace)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How an attempt is judged: the state the job moves to, and why in words."""

    state: JobState
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class QueueState:
    """The queue as a whole. `reason` says why nothing is started: it was paused, or it waits by itself."""

    paused: bool
    reason: str
    waiting: int
    active: int
    seconds_left: float | None
    """Over all jobs that run and wait, by the pace of this machine; None when there are none."""

    @property
    def word(self) -> str:
        """`paused`, `waiting` (for what `reason` says), `working` or `idle`."""
        if self.paused:
            return "paused"
        if self.reason and not self.active:
            return "waiting"
        return "working" if self.active or self.waiting else "idle"
