"""Stands between the supervisor and a script of kohya's, which knows neither events nor stop requests nor results:
`python -m train_tools.engines.kohya.script_process OUTPUT COMMAND...`, in an attempt with a `kohya.json`.

It starts the script with the log as its console, reads that log as it grows, and writes what the bundled trainer
would write: events.jsonl, checkpoints in the output folder, result.json. It outlives nobody: when it is killed
alone, the script goes on, and its files are judged by `engine.KohyaEngine.judge`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from sd_contract.attempt import Attempt, Result, write_result
from sd_contract.events import AttemptStarted, EventLog, PhaseStarted, RunFinished, Warned
from train_tools.engines.kohya.console import Console
from train_tools.engines.kohya.run import KohyaRun, read_task
from train_tools.engines.kohya.verdict import NOT_STARTED, SHELLS_ADD, result_of
from train_tools.model.paths import AttemptPaths

POLL_S = 0.2
SAVING_GRACE_S = 60.0
TERMINATE_GRACE_S = 10.0
OF_OUR_PYTHON = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
"""Variables that would lead the script's Python to our packages."""


class Stopping:
    """Ends the script when somebody asks: at once when it isn't saving, or, when there is time until the end of
    the epoch, as soon as another state or the next epoch has come."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        run: KohyaRun,
        attempt: Attempt,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._process = process
        self._run = run
        self._attempt = attempt
        self._clock = clock
        self._from_outside = False
        self._asked_at: float | None = None
        self._place_then: tuple[int, int | None] = (0, None)
        self._terminated_at: float | None = None

    @property
    def asked(self) -> bool:
        return self._asked_at is not None

    def ask(self, *_: object) -> None:
        """A signal came."""
        self._from_outside = True

    def look(self) -> None:
        mode = "step" if self._from_outside else self._attempt.stop_mode
        if mode is None:
            return
        now = self._clock()
        if self._asked_at is None:
            self._asked_at, self._place_then = now, self._place
        if self._terminated_at is not None:
            if now - self._terminated_at > TERMINATE_GRACE_S:
                self._process.kill()
            return
        patient = mode == "epoch" and self._place == self._place_then
        busy = self._run.saving and now - self._asked_at < SAVING_GRACE_S
        if not patient and not busy:
            self.end()

    def end(self) -> None:
        if self._terminated_at is None:
            self._terminated_at = self._clock()
            self._process.terminate()

    @property
    def _place(self) -> tuple[int, int | None]:
        return self._run.epoch, self._run.kept_step


def environment_of_script(ours: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in ours.items() if name not in OF_OUR_PYTHON}


def follow(attempt: Attempt, command: list[str]) -> int:
    """Runs the script to its end; returns the exit code for it."""
    task = read_task(attempt)
    events = EventLog(attempt.events)
    run = KohyaRun(task, events.emit)
    events.emit(AttemptStarted(task.from_step))
    for note in task.notes:
        events.emit(Warned(note))
    events.emit(PhaseStarted("starting the trainer"))
    log = AttemptPaths(attempt.folder).log
    begin = log.stat().st_size if log.is_file() else 0
    try:
        process = subprocess.Popen(command, cwd=task.checkout, env=environment_of_script(os.environ))
    except OSError as error:
        return _finish(attempt, events, NOT_STARTED.format(command[0], error.strerror or error), run)
    stopping = Stopping(process, run, attempt)
    signal.signal(signal.SIGTERM, stopping.ask)
    _read_to_the_end(process, log, begin, run, stopping)
    result = result_of(run, process.returncode, stopped=stopping.asked, log=log)
    if result is None:
        return SHELLS_ADD - process.returncode
    return _write(attempt, events, result, process.returncode)


def _read_to_the_end(
    process: subprocess.Popen[bytes], log: Path, begin: int, run: KohyaRun, stopping: Stopping
) -> None:
    console = Console()
    with log.open("rb") as file:
        file.seek(begin)
        while True:
            ended = _wait(process)
            for said in console.read(file.read()):
                run.take(said)
            if ended:
                break
            if run.is_hopeless:
                stopping.end()
            stopping.look()
    for said in console.rest():
        run.take(said)
    run.settle()


def _wait(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(POLL_S)
    except subprocess.TimeoutExpired:
        return False
    return True


def _finish(attempt: Attempt, events: EventLog, message: str, run: KohyaRun) -> int:
    failed = Result(outcome="failed", step=run.step, total_steps=run.total_steps, message=message)
    return _write(attempt, events, failed, 1)


def _write(attempt: Attempt, events: EventLog, result: Result, code: int) -> int:
    events.emit(RunFinished(result.outcome, result.message))
    write_result(attempt, result)
    return 0 if result.outcome != "failed" else max(1, code)


def main() -> None:
    attempt, command = Attempt.from_environment(), sys.argv[2:]
    if attempt is None:  # by hand: somebody looks at the console
        script = next(Path(word) for word in command if word.endswith(".py"))
        sys.exit(subprocess.call(command, cwd=script.parent, env=environment_of_script(os.environ)))
    sys.exit(follow(attempt, command))


if __name__ == "__main__":
    main()
