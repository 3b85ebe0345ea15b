"""The queue as people handle it, and the worker that works it off."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from sd_contract.attempt import Attempt
from train_tools.jobs.kind import JobKind
from train_tools.jobs.lease import held, worker_lease
from train_tools.jobs.queue import Queue
from train_tools.jobs.tree import APART
from train_tools.jobs.watch import Watch
from train_tools.jobs.worker import Worker
from train_tools.model.job import Job
from train_tools.model.paths import AttemptPaths, OutputsPaths

Say = Callable[[str], None]


class Jobs:
    """Everything that may be asked of the queue. `kinds` makes what a worker needs to run the jobs."""

    def __init__(
        self,
        outputs: OutputsPaths,
        kinds: Callable[[], Sequence[JobKind]],
        *,
        watch: Callable[[Say], Watch],
        has_last_duty: Callable[[], bool],
    ) -> None:
        """`watch` makes what a worker tells of its day; `has_last_duty` says whether a worker is wanted though
        nothing waits."""
        self._outputs = outputs
        self._kinds = kinds
        self._watch = watch
        self._has_last_duty = has_last_duty
        self._queues = threading.local()
        self._background: subprocess.Popen[bytes] | None = None

    @property
    def queue(self) -> Queue:
        """This thread's connection to the queue."""
        if not hasattr(self._queues, "queue"):
            self._queues.queue = Queue(self._outputs.queue)
        queue: Queue = self._queues.queue
        return queue

    def all(self, limit: int = 200) -> list[Job]:
        return self.queue.jobs(limit=limit)

    def get(self, id_: int) -> Job:
        return self.queue.get(id_)

    def log(self, id_: int, lines: int = 40) -> str:
        """The end of the current attempt's log, as text."""
        job = self.queue.get(id_)
        log = AttemptPaths.of(self._outputs.folder / job.folder, job.attempt).log
        if not log.is_file():
            return ""
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 400 * lines))
            tail = file.read().decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
        return "\n".join(line.rsplit("\r", 1)[-1] for line in tail[-lines:])

    def cancel(self, id_: int) -> Job:
        """Takes a job out of the queue, or asks it to save and end."""
        job = self.queue.cancel(id_)
        attempt = AttemptPaths.of(self._outputs.folder / job.folder, job.attempt)
        if job.state.active and attempt.folder.is_dir():
            Attempt(attempt.folder).request_stop()
        return job

    def retry(self, id_: int) -> Job:
        return self.queue.retry(id_)

    def worker(self, say: Say = lambda text: None) -> Worker:
        return Worker(self._outputs.folder, self.queue, self._kinds(), say=say, watch=self._watch(say))

    def ensure_worker(self) -> None:
        """Starts a worker in the background when jobs wait or run and nobody works. It ends with the queue."""
        if self._background is not None and self._background.poll() is None:
            return
        wanted = self.queue.waiting() or self.queue.active() or self._has_last_duty()
        if not wanted or held(worker_lease(self.queue.id)):
            return
        self._background = subprocess.Popen(
            [sys.executable, "-m", "train_tools", "--outputs", str(self._outputs.folder), "work", "--quiet"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            creationflags=APART,
            start_new_session=True,
        )

    def working_in(self, folder: Path) -> str | None:
        """What waits or runs in a folder or below it, in words."""
        inside = folder.relative_to(self._outputs.folder).as_posix()
        busy = self.queue.below(inside) if self._outputs.queue.exists() else []
        return f"job {busy[0].id} ({busy[0].title}) is {busy[0].state}." if busy else None
