"""The process that turns waiting jobs into supervised trees and their ends into rows. It may be killed at any
moment: the next one adopts what lives and judges what ended meanwhile."""

from __future__ import annotations

import contextlib
import math
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from sd_contract.attempt import EVENTS_VARIABLE, Attempt
from train_tools.errors import NotNowError, StorageError, TrainToolsError
from train_tools.jobs.follow import Follow, trouble
from train_tools.jobs.kind import Exit, JobKind
from train_tools.jobs.lease import Lease, job_lease, worker_lease
from train_tools.jobs.queue import Kinds, Queue
from train_tools.jobs.slots import LIGHT_SLOTS, Slot, slots_of_this_machine
from train_tools.jobs.standby import Standby
from train_tools.jobs.supervisor import Order, write_order
from train_tools.jobs.watch import NoWatch, Watch
from train_tools.model.job import Job, JobState, NewJob, Stop, Verdict, Wish
from train_tools.model.paths import AttemptPaths

MOST_LOSSES = 5
"""A job whose process vanishes this often without a word is failed, so that it can't eat the night."""
LEAST_FREE_BYTES = 100 * 1024**2
TICK_S = 0.25
IDLE_TICK_S = 1.0
SLOT_RETRY_S = 5.0
LACK_S = 30.0
"""How long before its end a lack of room may have been the cause of it."""
OTHERS_WORK = "Another outputs folder of this machine uses what these jobs need."
AS_WISHED: Mapping[Wish, JobState] = {
    Wish.CANCEL: JobState.CANCELLED,
    Wish.PAUSE: JobState.PAUSED,
    Wish.REQUEUE: JobState.QUEUED,
}


class Worker:
    """Runs the jobs of one outputs folder, one per slot. One worker per folder: `busy` says another works."""

    def __init__(
        self,
        outputs: Path,
        queue: Queue,
        kinds: Sequence[JobKind],
        *,
        slots: Sequence[Slot] | None = None,
        light: Collection[str] = (),
        most_losses: int = MOST_LOSSES,
        least_free_bytes: int = LEAST_FREE_BYTES,
        say: Callable[[str], None] = lambda text: None,
        watch: Watch | None = None,
    ) -> None:
        """Jobs of the `light` kinds run in slots of their own: they neither wait for others nor hold them up."""
        self.outputs = outputs
        self.queue = queue
        self.kinds: Mapping[str, JobKind] = {kind.name: kind for kind in kinds}
        self.slots = tuple(slots) if slots is not None else slots_of_this_machine()
        self._light = Kinds(frozenset(light))
        self._heavy = Kinds(frozenset(light), excluded=True)
        self.most_losses = most_losses
        self.least_free_bytes = least_free_bytes
        self.say = say
        self.watch: Watch = watch or NoWatch()
        self.follows: dict[int, Follow] = {}
        self._wake = threading.Event()
        self._slot_busy_until: dict[str, float] = {}
        self._standby = Standby(outputs)
        self._reason = ""
        self._said = ""
        self._lacked_at = -math.inf

    def run(self, until: Callable[[], bool]) -> bool:
        """Works until `until()` holds while nothing is active. False when another worker has the folder.

        What can't be done now (the disk is full, another program holds the queue's file) is tried again until it
        can. Ctrl-C asks the active jobs to save and end and puts them back into the queue; a second Ctrl-C leaves
        them running in the background, where the next worker finds them.
        """
        lease = Lease.take(worker_lease(self.queue.id))
        if lease is None:
            return False
        try:
            self._work(until)
        except KeyboardInterrupt:
            self._put_back()
            raise
        finally:
            self.watch.ended()
            self._standby.dismiss()
            with contextlib.suppress(StorageError):
                self.queue.note_waits("")
            lease.release()
        return True

    def _work(self, until: Callable[[], bool]) -> None:
        adopted = False
        while True:
            self._wake.clear()
            self._reason = ""
            adopted = adopted or self._patiently(self._adopt)
            self._step()
            troubled = bool(self._reason)
            if adopted:
                self._patiently(self._start_what_fits)
                may_go = self._patiently(self._tell_watch)
                if not self.follows and may_go and self._patiently(until):
                    return
            self._tell_why()
            self._wake.wait(TICK_S if self.follows and not troubled else IDLE_TICK_S)

    def _patiently(self, action: Callable[[], bool]) -> bool:
        """Does it and returns its answer; False, and a reason to wait, when it can't be done now."""
        try:
            return action()
        except NotNowError as error:
            self._reason = self._reason or str(error)
            return False

    def _tell_why(self) -> None:
        """Why nothing is started is said once, and noted where others look."""
        if self._reason and self._reason != self._said:
            self.say(self._reason)
        self._said = self._reason
        with contextlib.suppress(NotNowError):
            self.queue.note_waits(self._reason)

    def _tell_watch(self) -> bool:
        """Whether the watch lets the worker go."""
        if self.follows or (self.queue.waiting() and self.queue.paused is None):
            self.watch.busy()
            return True
        return self.watch.idle()

    def _adopt(self) -> bool:
        """Takes over what an earlier worker left: living trees are followed, ended ones judged."""
        for job in self.queue.active():
            self.follows[job.id] = Follow(self, job, supervisor=None)
        return True

    def _put_back(self) -> None:
        for id_ in self.follows:
            self._patiently(partial(self._interrupt, id_))
        if self.follows:
            self.say(
                "Stopping after the current step; the queue is kept and goes on at the next start. "
                "Ctrl-C again leaves the job running in the background."
            )
        while self.follows:
            self._step()
            time.sleep(TICK_S)

    def _interrupt(self, id_: int) -> bool:
        return self.queue.interrupt(id_).wish is not None

    def _step(self) -> None:
        for id_, follow in list(self.follows.items()):
            if self._patiently(follow.step):
                del self.follows[id_]
                self._wake.set()

    def _start_what_fits(self) -> bool:
        """Starts a job in each free slot. True when something was started."""
        started = False
        held: list[Slot] = []
        reasons: list[str] = []
        for slot in (*self.slots, *LIGHT_SLOTS):
            kinds = self._light if slot.is_light else self._heavy
            if self._reason or not self.queue.waiting(kinds):
                continue
            obstacle = self._obstacle(kinds)
            if obstacle:
                reasons.append(obstacle)
            elif slot.name in self._slots_at_work():
                continue
            elif not self._is_free(slot):
                held.append(slot)
            elif job := self.queue.claim(slot.name, socket.gethostname(), kinds):
                self._start(job, slot)
                started = True
        reasons += [OTHERS_WORK for slot in held if not self._works_in_one_like(slot)]
        self._reason = self._reason or next(iter(reasons), "")
        if self.follows and self.queue.waiting():
            self._standby.stand_by()
        return started

    def _slots_at_work(self) -> set[str | None]:
        return {follow.job.slot for follow in self.follows.values()}

    def _works_in_one_like(self, slot: Slot) -> bool:
        """Whether a job of ours runs in a slot of that sort, so that those that wait will have their turn."""
        return any(Slot(name).is_light is slot.is_light for name in self._slots_at_work() if name)

    def _obstacle(self, kinds: Kinds) -> str:
        """Why no job of these kinds may be started now; empty when one may."""
        paused = self.queue.paused
        if paused is not None:
            because = f" ({paused})" if paused else ""
            return f"The queue is paused{because}: `train-tools queue resume` lets it go on."
        first = self.queue.next_start(kinds)
        if first is not None:
            return f"What waits is to start later, the first at {datetime.fromtimestamp(first):%Y-%m-%d %H:%M}."
        return self._lack_of_room()

    def _lack_of_room(self) -> str:
        free = shutil.disk_usage(self.outputs).free
        if free >= self.least_free_bytes:
            return ""
        self._lacked_at = time.monotonic()
        return (
            f"Only {free / 1024**2:.0f} MB are free where {self.outputs} lies, and nothing is started with less "
            f"than {self.least_free_bytes / 1024**2:.0f} MB. Free some space: the queue goes on by itself."
        )

    def lacked_room(self) -> str:
        """In words, when there is no room now or was none some moments ago: what ended meanwhile may have failed
        for that alone."""
        lack = self._lack_of_room()
        if lack or time.monotonic() - self._lacked_at > LACK_S:
            return lack
        return f"The disk was full where {self.outputs} lies."

    def _is_free(self, slot: Slot) -> bool:
        if time.monotonic() < self._slot_busy_until.get(slot.name, 0.0):
            return False
        if slot.busy():
            self._slot_busy_until[slot.name] = time.monotonic() + SLOT_RETRY_S
            return False
        return True

    def _start(self, job: Job, slot: Slot) -> None:
        folder = self.outputs / job.folder
        paths = AttemptPaths.of(folder, job.attempt)
        was_there = folder.exists()
        supervisor, verdict = None, None
        try:
            supervisor = self._started(job, slot, folder, paths)
        except Exception as error:  # noqa: BLE001 - a bug in one kind of job is that job's failure
            verdict = self._no_start(paths, error)
            if not was_there:
                _remove_empty(paths.folder, up_to=folder)
            self._wake.set()
        self.follows[job.id] = Follow(self, job, supervisor, verdict)

    def _started(self, job: Job, slot: Slot, folder: Path, paths: AttemptPaths) -> subprocess.Popen[bytes]:
        """Has the attempt prepared, and starts its supervisor."""
        attempt = Attempt(paths.folder)
        paths.folder.mkdir(parents=True)
        paths.output.mkdir()
        launch = self.kind_of(job).prepare(job, folder, attempt)
        write_order(
            paths,
            Order(
                database=str(self.queue.path),
                job=job.id,
                attempt=job.attempt,
                lease=str(job_lease(self.queue.id, job.id)),
                slot=slot.name,
                cookie=self.cookie_of(job),
                command=launch.command,
                folder=str(launch.folder),
                environment={**slot.environment, **launch.environment, EVENTS_VARIABLE: str(attempt.events)},
                stop_grace_s=launch.stop_grace_s,
            ),
        )
        return self._supervised(paths)

    def _no_start(self, paths: AttemptPaths, error: Exception) -> Verdict:
        """How an attempt is judged that could not be started. What passes is tried again, at the job's place."""
        try:
            return Verdict(state=JobState.FAILED, message=trouble(paths.folder, error))
        except NotNowError as later:
            return Verdict(state=JobState.QUEUED, message=str(later))

    def cookie_of(self, job: Job) -> str:
        """What every process of an attempt bears in its environment."""
        return f"{self.queue.id}/{job.id}/{job.attempt}"

    def _supervised(self, paths: AttemptPaths) -> subprocess.Popen[bytes]:
        process = self._standby.supervise(paths.folder)
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

    def end(self, job: Job, folder: Path, verdict: Verdict, exit_: Exit, lack_of_room: str) -> None:
        """Writes an attempt's end and its follow-up jobs; `lack_of_room` tells of the moment it ended. NotNowError
        when that has to wait."""
        lost = exit_.started and not lack_of_room
        verdict = self._as_wished(job, verdict, lost, lack_of_room if exit_.started else "")
        follow_ups: Sequence[NewJob] = ()
        if verdict.state.finished:
            try:
                follow_ups = self.kind_of(job).follow_ups(job, folder, verdict)
            except Exception as error:  # noqa: BLE001 - a bug in one kind of job is that job's trouble
                message = f"What follows it could not be queued. {trouble(folder, error)}"
                verdict = replace(verdict, message=verdict.message or message)
        verdict = replace(verdict, message=f"{verdict.message} {exit_.memory}".strip())
        if self.queue.finish(job.id, job.attempt, verdict, follow_ups, lost=lost, exit_code=exit_.code):
            self.say(f"{job.title}: {verdict.state}" + (f" - {verdict.message}" if verdict.message else ""))
        if not exit_.started and job.slot and verdict.state is JobState.QUEUED:
            self._slot_busy_until[job.slot] = time.monotonic() + SLOT_RETRY_S

    def _as_wished(self, job: Job, verdict: Verdict, lost: bool, lack_of_room: str) -> Verdict:
        """The verdict, as far as nobody wished otherwise and the disk had room."""
        asked = self.queue.get(job.id)
        if verdict.state in (JobState.CANCELLED, JobState.QUEUED) and asked.wish is not None:
            return Verdict(state=AS_WISHED[asked.wish], message=_how_it_stopped(asked, verdict))
        if verdict.state is JobState.CANCELLED:  # nobody here asked: the system shuts down, say
            verdict = Verdict(state=JobState.QUEUED, message="Stopped from outside.")
        if verdict.state is JobState.FAILED and lack_of_room:
            return Verdict(state=JobState.QUEUED, message=f"{verdict.message} {lack_of_room}".strip())
        if lost and verdict.state is JobState.QUEUED and self.queue.losses(job.id) + 1 >= self.most_losses:
            return Verdict(
                state=JobState.FAILED,
                message=f"It ended {self.most_losses} times without saying why (killed from outside, or out of "
                f"memory?). {verdict.message}".strip(),
            )
        return verdict


def _how_it_stopped(asked: Job, verdict: Verdict) -> str:
    if asked.stop is Stop.NOW:
        return "Stopped at once: what was saved last is kept."
    if asked.wish is Wish.PAUSE and asked.step:
        return f"Paused after step {asked.step} of {asked.total_steps}. {verdict.message}".strip()
    return verdict.message


def _remove_empty(attempt: Path, up_to: Path) -> None:
    """Removes the folder of an attempt that was not started, and what is empty without it: a job's folder that
    somebody deleted does not come back."""
    shutil.rmtree(attempt, ignore_errors=True)
    for folder in attempt.parents:
        with contextlib.suppress(OSError):
            folder.rmdir()
        if folder == up_to:
            return
