"""The process that turns waiting jobs into supervised trees and their ends into rows. It may be killed at any
moment: the next one adopts what lives and judges what ended meanwhile."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sd_contract.attempt import EVENTS_VARIABLE, Attempt, read_result
from sd_contract.errors import ContractError
from sd_contract.events import Event, PhaseStarted, RunFinished, StepDone, Tail, Warned
from train_tools.errors import StorageError, TrainToolsError
from train_tools.files import storage_error
from train_tools.jobs.kind import Exit, JobKind
from train_tools.jobs.lease import Lease, job_lease, worker_lease
from train_tools.jobs.queue import Queue
from train_tools.jobs.slots import Slot, slots_of_this_machine
from train_tools.jobs.supervisor import Order, read_exit, write_order
from train_tools.jobs.tree import APART
from train_tools.model.job import Job, JobState, NewJob, Verdict, Wish
from train_tools.model.paths import AttemptPaths

MOST_LOSSES = 5
"""A job whose process vanishes this often without a word is failed, so that it can't eat the night."""
JUDGEMENTS = (JobState.DONE, JobState.FAILED, JobState.CANCELLED, JobState.QUEUED)
LEAST_FREE_BYTES = 100 * 1024**2
TICK_S = 0.25
IDLE_TICK_S = 1.0
PROGRESS_PERIOD_S = 0.5
SLOT_RETRY_S = 5.0


class Worker:
    """Runs the jobs of one outputs folder, one per slot. One worker per folder: `busy` says another works."""

    def __init__(
        self,
        outputs: Path,
        queue: Queue,
        kinds: Sequence[JobKind],
        *,
        slots: Sequence[Slot] | None = None,
        most_losses: int = MOST_LOSSES,
        least_free_bytes: int = LEAST_FREE_BYTES,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.outputs = outputs
        self.queue = queue
        self.kinds: Mapping[str, JobKind] = {kind.name: kind for kind in kinds}
        self.slots = tuple(slots) if slots is not None else slots_of_this_machine()
        self.most_losses = most_losses
        self.least_free_bytes = least_free_bytes
        self.say = say
        self.follows: dict[int, Follow] = {}
        self._wake = threading.Event()
        self._slot_busy_until: dict[str, float] = {}

    def run(self, until: Callable[[], bool]) -> bool:
        """Works until `until()` holds while nothing is active. False when another worker has the folder.

        Ctrl-C asks the active jobs to save and end and puts them back into the queue; a second Ctrl-C leaves
        them running in the background, where the next worker finds them.
        """
        lease = Lease.take(worker_lease(self.queue.id))
        if lease is None:
            return False
        try:
            self._adopt()
            self._work(until)
        except KeyboardInterrupt:
            self._put_back()
            raise
        finally:
            lease.release()
        return True

    def _work(self, until: Callable[[], bool]) -> None:
        while True:
            self._wake.clear()
            self._start_what_fits()
            self._step()
            if not self.follows and until():
                return
            self._wake.wait(TICK_S if self.follows else IDLE_TICK_S)

    def _adopt(self) -> None:
        """Takes over what an earlier worker left: living trees are followed, ended ones judged."""
        for job in self.queue.active():
            self.follows[job.id] = Follow(self, job, supervisor=None)

    def _put_back(self) -> None:
        for id_ in self.follows:
            self.queue.interrupt(id_)
        if self.follows:
            self.say(
                "Stopping after the current step; the queue is kept and goes on at the next start. "
                "Ctrl-C again leaves the job running in the background."
            )
        while self.follows:
            self._step()
            time.sleep(TICK_S)

    def _step(self) -> None:
        for id_, follow in list(self.follows.items()):
            if follow.step():
                del self.follows[id_]
                self._wake.set()

    def _start_what_fits(self) -> None:
        taken = {follow.job.slot for follow in self.follows.values()}
        for slot in self.slots:
            if slot.name in taken or time.monotonic() < self._slot_busy_until.get(slot.name, 0.0):
                continue
            if not self.queue.waiting():
                return
            self._check_disk()
            if slot.busy():
                self.slot_is_busy(slot.name)
                continue
            job = self.queue.claim(slot.name, socket.gethostname())
            if job is not None:
                self._start(job, slot)

    def slot_is_busy(self, name: str) -> None:
        self._slot_busy_until[name] = time.monotonic() + SLOT_RETRY_S

    def _check_disk(self) -> None:
        free = shutil.disk_usage(self.outputs).free
        if free < self.least_free_bytes:
            raise StorageError(
                f"Only {free / 1024**2:.0f} MB are free where {self.outputs} lies; at least "
                f"{self.least_free_bytes / 1024**2:.0f} MB are needed to go on. The queue is kept: free some "
                "space, then start again with `train-tools work`."
            )

    def _start(self, job: Job, slot: Slot) -> None:
        folder = self.outputs / job.folder
        paths = AttemptPaths.of(folder, job.attempt)
        attempt = Attempt(paths.folder)
        cookie = f"{self.queue.id}/{job.id}/{job.attempt}"
        try:
            with _disk_errors_told(paths.folder):
                paths.folder.mkdir(parents=True)
                paths.output.mkdir()
            launch = self.kind_of(job).prepare(job, folder, attempt)
            with _disk_errors_told(paths.launch):
                write_order(
                    paths,
                    Order(
                        database=str(self.queue.path),
                        job=job.id,
                        attempt=job.attempt,
                        lease=str(job_lease(self.queue.id, job.id)),
                        slot=slot.name,
                        cookie=cookie,
                        command=launch.command,
                        folder=str(launch.folder),
                        environment={
                            **slot.environment,
                            **launch.environment,
                            EVENTS_VARIABLE: str(attempt.events),
                        },
                        stop_grace_s=launch.stop_grace_s,
                    ),
                )
                supervisor = self._supervisor(paths)
        except Exception as error:  # noqa: BLE001 - a bug in one kind of job is that job's failure
            self.end(job, folder, Verdict(state=JobState.FAILED, message=_trouble(folder, error)))
            self._wake.set()
            return
        self.follows[job.id] = Follow(self, job, supervisor)

    def _supervisor(self, paths: AttemptPaths) -> subprocess.Popen[bytes]:
        with paths.supervisor_log.open("ab") as log:
            process: subprocess.Popen[bytes] = subprocess.Popen(
                [sys.executable, "-m", "train_tools.jobs.supervisor", str(paths.folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                creationflags=APART,
                start_new_session=True,
            )
        threading.Thread(target=self._wake_at_end_of, args=(process,), daemon=True).start()
        return process

    def _wake_at_end_of(self, process: subprocess.Popen[bytes]) -> None:
        process.wait()
        self._wake.set()

    def kind_of(self, job: Job) -> JobKind:
        try:
            return self.kinds[job.kind]
        except KeyError:
            raise TrainToolsError(
                f"This version of Train Tools knows no jobs of kind {job.kind!r}, only {', '.join(self.kinds)}."
            ) from None

    def end(self, job: Job, folder: Path, verdict: Verdict, *, lost: bool = True) -> None:
        """Writes an attempt's end and its follow-up jobs. `lost` = one that is to be tried again had begun."""
        verdict = self._as_wished(job, verdict, lost)
        follow_ups: Sequence[NewJob] = ()
        if verdict.state.finished:
            try:
                follow_ups = self.kind_of(job).follow_ups(job, folder, verdict)
            except Exception as error:  # noqa: BLE001 - a bug in one kind of job is that job's trouble
                message = f"What follows it could not be queued. {_trouble(folder, error)}"
                verdict = Verdict(state=verdict.state, message=verdict.message or message)
        if self.queue.finish(job.id, job.attempt, verdict, follow_ups, lost=lost):
            self.say(f"{job.title}: {verdict.state}" + (f" - {verdict.message}" if verdict.message else ""))

    def _as_wished(self, job: Job, verdict: Verdict, lost: bool) -> Verdict:
        wish = self.queue.get(job.id).wish
        if verdict.state in (JobState.CANCELLED, JobState.QUEUED) and wish is not None:
            state = JobState.CANCELLED if wish is Wish.CANCEL else JobState.QUEUED
            return Verdict(state=state, message=verdict.message)
        if verdict.state is JobState.CANCELLED:  # nobody here asked: the system shuts down, say
            verdict = Verdict(state=JobState.QUEUED, message="Stopped from outside.")
        if lost and verdict.state is JobState.QUEUED and self.queue.losses(job.id) + 1 >= self.most_losses:
            return Verdict(
                state=JobState.FAILED,
                message=f"It ended {self.most_losses} times without saying why (killed from outside, or out of "
                f"memory?). {verdict.message}".strip(),
            )
        return verdict


class Follow:
    """One active job: its events become the row, its end becomes a verdict. Safe to begin again from the start."""

    def __init__(self, worker: Worker, job: Job, supervisor: subprocess.Popen[bytes] | None) -> None:
        self.worker = worker
        self.job = job
        self.folder = worker.outputs / job.folder
        self.paths = AttemptPaths.of(self.folder, job.attempt)
        self.attempt = Attempt(self.paths.folder)
        self.tail = Tail(self.attempt.events)
        self._supervisor = supervisor
        self._facts: dict[str, Any] = {}
        self._written_at = 0.0
        self._lease: Lease | None = None
        self._stepping = job.steps_started_at is not None
        self._mine = True
        self._complaint = ""

    def step(self) -> bool:
        """Takes in what happened since the last step. True when the job is no longer to be followed."""
        exit_ = self._end_of_tree()
        self._take_in_events()
        self._pass_on_wish()
        self._write_progress(every_s=PROGRESS_PERIOD_S if exit_ is None else 0.0)
        if exit_ is not None and self._mine:
            if exit_.slot_busy and self.job.slot:
                self.worker.slot_is_busy(self.job.slot)
            self.worker.end(self.job, self.folder, self._judged(exit_), lost=not exit_.slot_busy)
        if self._lease is not None:
            self._lease.release()
        return exit_ is not None or not self._mine

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
            with self._complaints():
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
            self._mine = self.worker.queue.progress(self.job.id, self.job.attempt, **self._facts)
            self._facts = {}

    def _pass_on_wish(self) -> None:
        if self.worker.queue.get(self.job.id).wish is not None and self.paths.folder.is_dir():
            self.attempt.request_stop()

    def _judged(self, exit_: Exit) -> Verdict:
        if exit_.slot_busy:
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
            self._complaint = _trouble(self.folder, error)


def _trouble(folder: Path, error: Exception) -> str:
    """What went wrong with a job, as its message. What nobody foresaw is also printed with its traceback."""
    if isinstance(error, TrainToolsError | ContractError):
        return str(error)
    if isinstance(error, OSError):
        return str(storage_error(folder, error))
    traceback.print_exception(error)
    return f"Internal error: {type(error).__name__}: {error}"


@contextlib.contextmanager
def _disk_errors_told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise storage_error(path, error) from error
