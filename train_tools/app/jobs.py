"""The queue as people handle it, and the worker that works it off."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sd_contract.attempt import Attempt
from train_tools.app.companion import Companion
from train_tools.errors import AlreadyServedError
from train_tools.files import last_lines
from train_tools.jobs.kind import JobKind
from train_tools.jobs.lease import Lease, held, job_lease, noted, service_lease, worker_lease
from train_tools.jobs.queue import Queue
from train_tools.jobs.slots import Slot, slots_of_this_machine
from train_tools.jobs.tree import APART
from train_tools.jobs.watch import Watch
from train_tools.jobs.worker import Worker
from train_tools.model.host import HostFiles
from train_tools.model.job import Job, JobState, QueueState, Stop
from train_tools.model.paths import AttemptPaths, OutputsPaths
from train_tools.runs.costs import seconds_left

RECENT = 50
"""How many finished jobs an estimate is made from."""
LOOKED_AT = 500
"""How many of the jobs that wait it looks at; it takes more to be like these."""

Say = Callable[[str], None]


class Jobs:
    """Everything that may be asked of the queue. `kinds` makes what a worker needs to run the jobs; `cpu_slots` is
    how many jobs may run at a time where there is no GPU (None = what the environment says)."""

    def __init__(
        self,
        outputs: OutputsPaths,
        kinds: Callable[[], Sequence[JobKind]],
        *,
        light: Collection[str] = (),
        watch: Callable[[Say], Watch],
        has_last_duty: Callable[[], bool],
    ) -> None:
        """Jobs of the `light` kinds wait for no other. `watch` makes what a worker tells of its day;
        `has_last_duty` says whether a worker is wanted though nothing waits."""
        self._outputs = outputs
        self._kinds = kinds
        self._light = light
        self._watch = watch
        self._has_last_duty = has_last_duty
        self._queues = threading.local()
        self._background: subprocess.Popen[bytes] | None = None
        self.cpu_slots: int | None = None

    @property
    def queue(self) -> Queue:
        """This thread's connection to the queue."""
        if not hasattr(self._queues, "queue"):
            self._queues.queue = Queue(self._outputs.queue)
        queue: Queue = self._queues.queue
        return queue

    def all(self, limit: int = 200, offset: int = 0, states: Sequence[JobState] = tuple(JobState)) -> list[Job]:
        return self.queue.jobs(states=states, limit=limit, offset=offset)

    def get(self, id_: int) -> Job:
        return self.queue.get(id_)

    def log(self, id_: int, lines: int = 40) -> str:
        """The end of the current attempt's log, as text."""
        return last_lines(self._attempt(self.queue.get(id_)).log, lines)

    # What people ask of a job

    def cancel(self, id_: int, stop: Stop = Stop.STEP) -> Job:
        """Takes a job out of the queue, or asks it to end."""
        return self._passed_on(self.queue.cancel(id_, stop))

    def pause(self, id_: int, stop: Stop = Stop.STEP) -> Job:
        """Keeps a job from its turn until it is resumed; a running one stops first and goes on from there."""
        return self._passed_on(self.queue.pause(id_, stop))

    def resume(self, id_: int) -> Job:
        return self.queue.resume(id_)

    def retry(self, id_: int) -> Job:
        return self.queue.retry(id_)

    def forget(self, id_: int) -> None:
        """Takes a job that waits or has ended off the list; its files stay."""
        self.queue.forget(id_)

    def move(self, id_: int, *, before: int | None = None, place: int | None = None) -> Job:
        """Before another waiting job, to a place (1 = the next to start), or to the end."""
        return self.queue.move(id_, before=before, place=place)

    def prioritise(self, id_: int, priority: int) -> Job:
        return self.queue.prioritise(id_, priority)

    def schedule(self, id_: int, not_before: float | None) -> Job:
        """Lets a waiting job start at a time at the earliest; None = in its turn."""
        return self.queue.schedule(id_, not_before)

    # What people ask of the queue

    def pause_all(self, reason: str = "", *, running_too: bool = False) -> QueueState:
        """Starts nothing more until `resume_all`. What runs goes on, or stops and comes back to its place."""
        self.queue.pause_all(reason)
        for job in self.queue.active() if running_too else ():
            self._passed_on(self.queue.interrupt(job.id))
        return self.state()

    def resume_all(self) -> QueueState:
        self.queue.resume_all()
        return self.state()

    def state(self) -> QueueState:
        paused = self.queue.paused
        active = self.queue.active()
        waiting = self.queue.waiting()
        first = self.queue.jobs(states=(JobState.QUEUED,), limit=LOOKED_AT)
        history = self.queue.jobs(states=(JobState.DONE,), limit=RECENT)
        return QueueState(
            paused=paused is not None,
            reason=self.queue.waits if paused is None else paused,
            waiting=waiting,
            active=len(active),
            seconds_left=seconds_left(active, first, waiting, history, time.time()),
        )

    # Who works

    def slots(self) -> tuple[Slot, ...]:
        """Where jobs may run. Raises OptionValueError when the settings name what is not there."""
        return slots_of_this_machine(cpu_slots=self.cpu_slots)

    def worker(self, say: Say = lambda text: None) -> Worker:
        return Worker(
            self._outputs.folder,
            self.queue,
            self._kinds(),
            slots=self.slots(),
            light=self._light,
            say=say,
            watch=self._watch(say),
        )

    def ensure_worker(self) -> None:
        """Starts a worker in the background when jobs wait or run and nobody works. It ends with the queue."""
        if self._background is not None and self._background.poll() is None:
            return
        wanted = self.queue.waiting() or self.queue.active() or self._has_last_duty()
        if not wanted or held(worker_lease(self.queue.id)):
            return
        slots = () if self.cpu_slots is None else ("--cpu-slots", str(self.cpu_slots))
        command = [sys.executable, "-m", "train_tools", "--outputs", str(self._outputs.folder), "work", "--quiet"]
        self._background = subprocess.Popen(
            [*command, *slots],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            creationflags=APART,
            start_new_session=True,
        )

    @property
    def busy(self) -> bool:
        """Whether something runs, or will without anybody's doing."""
        return bool(self.queue.active()) or (bool(self.queue.waiting()) and self.queue.paused is None)

    def lock_of(self, job: Job) -> Path:
        """The file that is locked as long as a process of the job lives."""
        return job_lease(self.queue.id, job.id)

    def companion(self, host: HostFiles, say: Say) -> Companion:
        """Tells when to end, for a service that a WebUI has started."""
        return Companion(lambda: held(host.lock), lambda: self.busy, say=say)

    @contextmanager
    def being_the_service(self) -> Iterator[Callable[[str], None]]:
        """While the outputs folder is served; there is one service for each. What is given notes the address of
        the page. Raises AlreadyServedError with the address that another service has noted."""
        path = service_lease(self.queue.id)
        lease = Lease.take(path)
        if lease is None:
            raise AlreadyServedError(noted(path))
        try:
            lease.note("")
            yield lease.note
        finally:
            lease.release()

    def working_in(self, folder: Path, but_not: Collection[str] = ()) -> str | None:
        """What waits or runs in a folder or below it, in words; jobs of some kinds don't count."""
        inside = folder.relative_to(self._outputs.folder).as_posix()
        busy = self.queue.below(inside) if self._outputs.queue.exists() else []
        busy = [job for job in busy if job.kind not in but_not]
        return f"job {busy[0].id} ({busy[0].title}) is {busy[0].state}." if busy else None

    def _attempt(self, job: Job) -> AttemptPaths:
        return AttemptPaths.of(self._outputs.folder / job.folder, job.attempt)

    def _passed_on(self, job: Job) -> Job:
        """Tells an active job at once what is wished of it; its worker would some moments later."""
        attempt = self._attempt(job)
        if job.state.active and attempt.folder.is_dir():
            Attempt(attempt.folder).request_stop((job.stop or Stop.STEP).value)
        return job
