"""Jobs that run a line of Python, and a worker for them: `script_job.py OUTPUTS` works until none waits."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from sd_contract.attempt import Attempt, Result
from sd_contract.events import Event
from train_tools.jobs.kind import Exit, Launch
from train_tools.jobs.queue import Queue
from train_tools.jobs.slots import Slot
from train_tools.jobs.worker import Worker
from train_tools.model.job import Job, JobState, NewJob, Verdict
from train_tools.model.paths import OutputsPaths

SLOT = Slot("cpu")


class UnforeseenError(Exception):
    """A bug in a kind of job."""


class ScriptJob:
    """JobKind `script`. The subject's `script` is run; the method that is its `bug` raises UnforeseenError.

    The end is judged by the result where there is one, else by the exit code; `follow_up` is a script, too.
    """

    name = "script"

    def prepare(self, job: Job, folder: Path, attempt: Attempt) -> Launch:
        self._meet_bug(job, "prepare")
        return Launch(
            command=tuple(job.subject.get("command", (sys.executable, "-c", job.subject.get("script", "")))),
            folder=folder,
            environment={"SCRIPT": job.title},
            stop_grace_s=job.subject.get("grace_s", 30.0),
        )

    def observe(self, job: Job, folder: Path, attempt: Attempt, event: Event) -> None:
        self._meet_bug(job, "observe")

    def judge(self, job: Job, folder: Path, attempt: Attempt, exit_: Exit, result: Result | None) -> Verdict:
        self._meet_bug(job, "judge")
        if "verdict" in job.subject:
            return Verdict(state=JobState(job.subject["verdict"]))
        if result is not None:
            return Verdict(state=JobState(result.outcome), message=result.message)
        if exit_.stopped:
            return Verdict(state=JobState.CANCELLED)
        if exit_.code is None or exit_.code < 0:
            return Verdict(state=JobState.QUEUED, message=exit_.reason or f"ended by signal {-(exit_.code or 0)}")
        message = exit_.reason or f"exit code {exit_.code}"
        return Verdict(state=JobState.FAILED, message=message) if exit_.code else Verdict(state=JobState.DONE)

    def follow_ups(self, job: Job, folder: Path, verdict: Verdict) -> Sequence[NewJob]:
        self._meet_bug(job, "follow_ups")
        if "follow_up" not in job.subject or verdict.state is not JobState.DONE:
            return ()
        return (script_job(f"after {job.title}", job.subject["follow_up"]),)

    @staticmethod
    def _meet_bug(job: Job, method: str) -> None:
        if job.subject.get("bug") == method:
            raise UnforeseenError(f"in {method}")


def script_job(title: str, script: str = "", **subject: object) -> NewJob:
    return NewJob(kind="script", title=title, folder=f"jobs/{title}", subject={"script": script, **subject})


def script_worker(outputs: OutputsPaths, queue: Queue, **settings: object) -> Worker:
    return Worker(outputs.folder, queue, [ScriptJob()], **{"slots": [SLOT], **settings})


def work(outputs: OutputsPaths, **settings: object) -> bool:
    """Works until the queue is empty; False when another worker is at it."""
    queue = Queue(outputs.queue)
    try:
        return script_worker(outputs, queue, **settings).run(until=lambda: not queue.waiting())
    finally:
        queue.close()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(0 if work(OutputsPaths(Path(sys.argv[1]))) else 3)
