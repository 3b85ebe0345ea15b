"""What a job does, as the queue needs to know it; one class per kind of work, in the room that owns the work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sd_contract.attempt import Attempt, Result
from train_tools.model.job import Job, NewJob, Verdict
from train_tools.model.paths import AttemptPaths

if TYPE_CHECKING:
    from sd_contract.events import Event


@dataclass(frozen=True, kw_only=True)
class Launch:
    """How to start an attempt. The command is a list, never a shell string; no secrets in it."""

    command: tuple[str, ...]
    folder: Path
    """Working folder of the process."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to the worker's own."""
    stop_grace_s: float = 120.0
    """How long the process may take to end by itself once it was asked to; 0 = it does not listen."""


@dataclass(frozen=True, kw_only=True)
class Exit:
    """What the supervisor saw. `code` is None when nobody saw the end (supervisor killed)."""

    code: int | None
    stopped: bool = False
    """It was asked to stop, or had to be killed."""
    reason: str = ""
    started: bool = True
    """False = nothing was: another job has the slot, say. `reason` tells."""
    memory: str = ""
    """What GPU memory is still in use after a stop, in words; empty when it is free."""


class JobKind(Protocol):
    """Gives a job's command, environment, success check and follow-up jobs.

    All methods are called in the worker, with the job's folder as an absolute path. `prepare` and `judge` may
    raise TrainToolsError or ContractError: the job then fails with that sentence.
    """

    @property
    def name(self) -> str: ...

    def prepare(self, job: Job, folder: Path, attempt: Attempt) -> Launch:
        """Writes what the process needs into the attempt's fresh folder and says how to start it."""
        ...

    def observe(self, job: Job, folder: Path, attempt: Attempt, event: Event) -> None:
        """Called for each event of the attempt while it is the current one: publish a checkpoint, say."""
        ...

    def judge(self, job: Job, folder: Path, attempt: Attempt, exit_: Exit, result: Result | None) -> Verdict:
        """How the attempt ended: done, failed, cancelled, or queued (try again)."""
        ...

    def follow_ups(self, job: Job, folder: Path, verdict: Verdict) -> Sequence[NewJob]:
        """Jobs to be queued in the same transaction as the move to a finished state; at most one per kind."""
        ...


def attempts_in(job_folder: Path) -> tuple[AttemptPaths, ...]:
    """The attempts that lie in a job's folder, oldest first."""
    names = (folder.name for folder in job_folder.glob("attempts/[0-9]*"))
    return tuple(AttemptPaths.of(job_folder, number) for number in sorted(int(n) for n in names if n.isdecimal()))


def last_attempt(job_folder: Path) -> int:
    """The highest number of the attempts that lie in a job's folder; 0 when there are none."""
    attempts = attempts_in(job_folder)
    return int(attempts[-1].folder.name) if attempts else 0
