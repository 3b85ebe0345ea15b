"""Trainings that stop while somebody generates in the WebUI that we are a tab of, and go on afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from train_tools.app.jobs import Jobs
from train_tools.runs.training import TRAIN

QUIET_S = 30.0
"""How long nobody generates before the trainings go on: people look at a picture before they make the next."""
REASON = "somebody generates in the WebUI"
"""By it the queue tells after a restart that it was us who stopped it."""


class Traffic(Protocol):
    """What goes on in the WebUI."""

    def somebody_waits(self) -> bool: ...

    def somebody_generates(self) -> bool: ...


class Trainings(Protocol):
    """The queue as far as it is stopped and goes on; `stopped_by` are the words of whoever did, None: nobody."""

    @property
    def stopped_by(self) -> str | None: ...

    @property
    def run(self) -> bool: ...

    def stop(self, reason: str) -> None: ...

    def go_on(self) -> None: ...


class QueuedTrainings:
    """Those of our own queue. All of it stops: else the next training would take the place of the stopped one."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    @property
    def stopped_by(self) -> str | None:
        return self._jobs.queue.paused

    @property
    def run(self) -> bool:
        return any(job.kind == TRAIN for job in self._jobs.queue.active())

    def stop(self, reason: str) -> None:
        self._jobs.pause_all(reason, running_too=True)

    def go_on(self) -> None:
        self._jobs.resume_all()


class GivingWay:
    """`wanted`: what the settings say now. A queue that a user has paused is left alone."""

    def __init__(
        self,
        trainings: Trainings,
        traffic: Traffic,
        wanted: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._trainings = trainings
        self._traffic = traffic
        self._wanted = wanted
        self._clock = clock
        self._quiet_since: float | None = None

    def look(self) -> None:
        """To be done every few seconds."""
        stopped_by = self._trainings.stopped_by
        if stopped_by == REASON:
            if self._is_quiet():
                self._trainings.go_on()
        elif stopped_by is None and self._wanted() and self._trainings.run and self._traffic.somebody_waits():
            self._quiet_since = None
            self._trainings.stop(REASON)

    def _is_quiet(self) -> bool:
        """Whether nobody generates, and has not for a while."""
        if not self._wanted():
            return True
        if self._traffic.somebody_generates():
            self._quiet_since = None
            return False
        if self._quiet_since is None:
            self._quiet_since = self._clock()
        return self._clock() - self._quiet_since >= QUIET_S
