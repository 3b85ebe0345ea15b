"""What the light jobs have in common: how they are judged, and how their processes say what came of them."""

from __future__ import annotations

import inspect
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from sd_contract.attempt import Attempt, Result, exit_code, write_result
from sd_contract.errors import ContractError
from sd_contract.events import AttemptStarted, Event, EventLog, PhaseStarted, StepDone
from train_tools.errors import TrainToolsError
from train_tools.files import storage_error
from train_tools.jobs.kind import Exit, Launch
from train_tools.model.job import Job, JobState, NewJob, Verdict

OUTCOMES = {"done": JobState.DONE, "failed": JobState.FAILED, "cancelled": JobState.CANCELLED}


class StoppedError(Exception):
    """Somebody asked the process to stop, and it has."""


class Progress:
    """Told of each step, passes on one in `every_s`, and the last one: nobody reads ten thousand."""

    def __init__(self, log: EventLog, every_s: float) -> None:
        self._log = log
        self._every_s = every_s
        self._told_at = 0.0

    def __call__(self, step: int, of: int) -> None:
        now = time.monotonic()
        if step >= of or now - self._told_at >= self._every_s:
            self._told_at = now
            self._log.emit(StepDone(step, of))

    def phase(self, name: str) -> None:
        self._log.emit(PhaseStarted(name))


class Errand:
    """A JobKind whose process says in result.json what came of it, or does all it has to by exit code 0."""

    name = ""

    def observe(self, job: Job, folder: Path, attempt: Attempt, event: Event) -> None:
        """Nothing is published on the way."""

    def judge(self, job: Job, folder: Path, attempt: Attempt, exit_: Exit, result: Result | None) -> Verdict:
        if result is not None:
            return Verdict(state=OUTCOMES[result.outcome], message=result.message)
        if exit_.stopped:
            return Verdict(state=JobState.CANCELLED, message="Stopped.")
        if exit_.code == 0:
            return Verdict(state=JobState.DONE)
        if exit_.code is None or exit_.code < 0:
            return Verdict(state=JobState.QUEUED, message="It was killed from outside.")
        words = exit_.reason or f"it ended with code {exit_.code}"
        return Verdict(state=JobState.FAILED, message=f"It failed: {words}. Its log may say more.")

    def follow_ups(self, job: Job, folder: Path, verdict: Verdict) -> Sequence[NewJob]:
        return ()


def launch_of(process: str, attempt: Attempt, request: Path, stop_grace_s: float) -> Launch:
    """How to start one of our `*_process` modules with a file that says what to do."""
    return Launch(
        command=(sys.executable, "-m", process, str(request)),
        folder=attempt.folder,
        environment={"PYTHONPATH": _import_path(Job, Attempt), "PYTHONIOENCODING": "utf-8"},
        stop_grace_s=stop_grace_s,
    )


def do(work: Callable[[Attempt, Progress], str], told_every_s: float = 0.0) -> NoReturn:
    """Does a process's work and ends it: the sentence that `work` returns is the result's message, a user error or
    one of the disk its failure."""
    attempt = Attempt.from_environment()
    assert attempt is not None, "it is started by a worker"
    log = EventLog(attempt.events)
    log.emit(AttemptStarted())
    result = _outcome(work, attempt, Progress(log, told_every_s))
    log.close()
    note(result.message)
    write_result(attempt, result)
    sys.exit(exit_code(result.outcome))


def note(sentence: str) -> None:
    """Writes a line into the job's log."""
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


def _outcome(work: Callable[[Attempt, Progress], str], attempt: Attempt, progress: Progress) -> Result:
    try:
        return Result(outcome="done", step=1, total_steps=1, message=work(attempt, progress))
    except StoppedError:
        return Result(outcome="cancelled", step=0, total_steps=1, message="Stopped.")
    except (TrainToolsError, ContractError) as error:
        return Result(outcome="failed", step=0, total_steps=1, message=str(error))
    except OSError as error:
        return Result(outcome="failed", step=0, total_steps=1, message=str(storage_error(attempt.folder, error)))


def _import_path(*classes: type) -> str:
    """PYTHONPATH with the folders put first that the packages of these classes lie in."""
    ours = [str(_folder_of_package(each)) for each in classes]
    inherited = os.environ.get("PYTHONPATH", "")
    return os.pathsep.join(dict.fromkeys([*ours, *filter(None, inherited.split(os.pathsep))]))


def _folder_of_package(class_: type) -> Path:
    levels = class_.__module__.count(".")
    return Path(inspect.getfile(class_)).resolve().parents[levels]
