"""One active job as the worker sees it: its events become the row, its end becomes a verdict."""

from __future__ import annotations

import contextlib
import subprocess
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sd_contract.attempt import Attempt, read_result
from sd_contract.errors import ContractError
from sd_contract.events import Event, PhaseStarted, RunFinished, StepDone, Tail, Warned
from train_tools.errors import NotNowError, TrainToolsError
from train_tools.files import storage_error
from train_tools.jobs.kind import Exit
from train_tools.jobs.lease import Lease, job_lease
from train_tools.jobs.supervisor import read_exit
from train_tools.jobs.tree import kill_bearers
from train_tools.model.job import Job, JobState, Stop, Verdict
from train_tools.model.paths import AttemptPaths

if TYPE_CHECKING:
    from train_tools.jobs.worker import Worker

JUDGEMENTS = (JobState.DONE, JobState.FAILED, JobState.CANCELLED, JobState.QUEUED)
PROGRESS_PERIOD_S = 0.5


class Follow:
    """Follows an attempt to its end. Safe to begin again from the start, and each step safe to be tried again: one
    that NotNowError ended is taken once more later, and what was judged till then stays judged."""

    def __init__(
        self,
        worker: Worker,
        job: Job,
        supervisor: subprocess.Popen[bytes] | None,
        verdict: Verdict | None = None,
    ) -> None:
        """`verdict` = nothing could be started, and how that is judged."""
        self.worker = worker
        self.job = job
        self.folder = worker.outputs / job.folder
        self.paths = AttemptPaths.of(self.folder, job.attempt)
        self.attempt = Attempt(self.paths.folder)
        self.tail = Tail(self.attempt.events)
        self._supervisor = supervisor
        self._verdict = verdict
        self._exit = None if verdict is None else Exit(code=None, started=False)
        self._lack_of_room = ""
        self._facts: dict[str, Any] = {}
        self._written_at = 0.0
        self._lease: Lease | None = None
        self._stepping = job.steps_started_at is not None
        self._mine = True
        self._complaint = ""

    def step(self) -> bool:
        """Takes in what happened since the last step. True when the job is no longer to be followed."""
        if self._exit is None:
            self._exit = self._end_of_tree()
            self._lack_of_room = self.worker.lacked_room() if self._exit else ""
        if self._verdict is None:
            self._take_in_events()
            self._pass_on_wish()
        self._write_progress(every_s=PROGRESS_PERIOD_S if self._exit is None else 0.0)
        if self._exit is not None and self._mine:
            self._verdict = self._verdict or self._judged(self._exit)
            self.worker.end(self.job, self.folder, self._verdict, self._exit, self._lack_of_room)
        if self._exit is None and self._mine:
            return False
        if self._lease is not None:
            self._lease.release()
        return True

    def _end_of_tree(self) -> Exit | None:
        """exit.json; or, where the supervisor is gone without one, the end of the lease. None = it lives.

        A supervisor of ours is waited for: it holds lease and slot until its very end. A lease that was free is
        held until the row has moved on: a late supervisor of this attempt must find it taken, or the attempt no
        longer current.
        """
        if self._supervisor is not None and self._supervisor.poll() is None:
            return None
        exit_ = read_exit(self.paths)
        if exit_ is not None:
            return exit_
        self._lease = Lease.take(job_lease(self.worker.queue.id, self.job.id))
        if self._lease is None:
            return None
        return read_exit(self.paths) or Exit(code=None, reason="its supervisor is gone")

    def _take_in_events(self) -> None:
        for event in self.tail.events():
            self._note(event)
            with self._complaints(), contextlib.suppress(NotNowError):  # what waits for space is done at the end
                self.worker.kind_of(self.job).observe(self.job, self.folder, self.attempt, event)

    def _note(self, event: Event) -> None:
        match event:
            case PhaseStarted(name):
                self._facts["phase"] = name
            case StepDone():
                if not self._stepping:
                    self._facts.update(steps_started_at=time.time(), first_step=event.step)
                self._stepping = True
                self._facts.update(step=event.step, total_steps=event.total_steps, phase="")
                if event.loss is not None:
                    self._facts["loss"] = event.loss
            case Warned(message) | RunFinished("failed", message):
                self._facts["message"] = message

    def _write_progress(self, every_s: float) -> None:
        now = time.monotonic()
        if self._facts and now - self._written_at >= every_s:
            self._written_at = now
            with contextlib.suppress(NotNowError):  # the next one says all that this one would have
                self._mine = self.worker.queue.progress(self.job.id, self.job.attempt, **self._facts)
                self._facts = {}

    def _pass_on_wish(self) -> None:
        """Tells the trainer; where no supervisor of ours is there to end it at once, does that."""
        job = self.worker.queue.get(self.job.id)
        if job.wish is None or not self.paths.folder.is_dir():
            return
        stop = job.stop or Stop.STEP
        self.attempt.request_stop(stop.value)
        if stop is Stop.NOW and self._supervisor is None:
            kill_bearers(self.worker.cookie_of(job))

    def _judged(self, exit_: Exit) -> Verdict:
        if not exit_.started:
            return Verdict(state=JobState.QUEUED, message=exit_.reason)
        verdict = Verdict(state=JobState.FAILED)
        with self._complaints():
            verdict = self.worker.kind_of(self.job).judge(
                self.job, self.folder, self.attempt, exit_, read_result(self.attempt)
            )
            assert verdict.state in JUDGEMENTS, f"an attempt can't be judged to be {verdict.state}"
        if self._complaint and verdict.state is not JobState.CANCELLED:
            return Verdict(state=JobState.FAILED, message=self._complaint)
        return verdict

    @contextlib.contextmanager
    def _complaints(self) -> Iterator[None]:
        """One job's trouble must not stop the queue: it becomes the job's message."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - a bug in one kind of job is that job's failure
            self._complaint = trouble(self.folder, error)


def trouble(folder: Path, error: Exception) -> str:
    """What went wrong with a job, as its message. What nobody foresaw is also printed with its traceback; what
    passes is raised as NotNowError."""
    if isinstance(error, OSError):
        error = storage_error(folder, error)
    if isinstance(error, NotNowError):
        raise error
    if isinstance(error, TrainToolsError | ContractError):
        return str(error)
    traceback.print_exception(error)
    return f"Internal error: {type(error).__name__}: {error}"
