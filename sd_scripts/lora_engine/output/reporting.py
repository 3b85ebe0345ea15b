"""How a run tells what it does: lines in sd-scripts' form on the console, events in the attempt's file.

Also where a request to stop arrives: the attempt's `stop` file, or a signal. Knows nothing of torch."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import IO, Any

from lora_engine.errors import Stopped
from sd_contract.attempt import Attempt
from sd_contract.events import (
    AttemptStarted,
    CheckpointSaved,
    Event,
    EventLog,
    PhaseStarted,
    StepDone,
    Warned,
)

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def unless_full() -> Iterator[None]:
    """Goes on where the disk has no room: what a run tells is worth less than the run."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise


class Console:
    """Stdout or stderr, which may be a log on a full disk; otherwise the stream itself."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with unless_full():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with unless_full():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Reporter:
    """Tells one run's story and remembers how far it has come: `step` of `total_steps`, `files` so far."""

    def __init__(self, attempt: Attempt | None) -> None:
        self.step = 0
        self.total_steps = 0
        self.files: list[str] = []
        self._attempt = attempt
        self._events = EventLog(attempt.events) if attempt else None
        self._phase = ""
        self._begun = False
        self._signalled = False
        self._last_step_at = monotonic()

    def begin(self, from_step: int, files: Iterable[str] = ()) -> None:
        """Says at which step the attempt begins, and which files earlier attempts at the run have left."""
        self.step = from_step
        self.files = list(files)
        self.emit(AttemptStarted(from_step))

    def emit(self, event: Event) -> None:
        """Appends an event; the first is always AttemptStarted."""
        if self._events is None:
            return
        if not self._begun and not isinstance(event, AttemptStarted):
            self._tell(AttemptStarted())
        self._begun = True
        self._tell(event)

    def _tell(self, event: Event) -> None:
        assert self._events is not None
        with unless_full():
            self._events.emit(event)

    def say(self, line: str) -> None:
        """A line on stdout, at once even into a pipe."""
        console = Console(sys.stdout)
        console.write(f"{line}\n")
        console.flush()

    def phase(self, name: str) -> None:
        """Begins a stretch of work without steps. Raises Stopped when that is what the user wants instead."""
        self.go_on_or_stop()
        self._phase = name
        self.emit(PhaseStarted(name))
        self.say(name)
        self._last_step_at = monotonic()

    @property
    def doing(self) -> str:
        """What the run is at: "training, after step 3"."""
        return f"{self._phase}, after step {self.step}" if self.step else self._phase

    def warn(self, message: str) -> None:
        self.emit(Warned(message))
        Console(sys.stderr).write(f"warning: {message}\n")

    def step_done(self, step: int, epoch: int, loss: float | None, learning_rate: float) -> None:
        self.step = step
        now = monotonic()
        seconds, self._last_step_at = now - self._last_step_at, now
        self.emit(
            StepDone(
                step=step,
                total_steps=self.total_steps,
                epoch=epoch,
                loss=loss,
                learning_rate=learning_rate,
                seconds=round(seconds, 4),
            )
        )

    def saved(self, file: str, step: int, epoch: int) -> None:
        if file in self.files:
            self.files.remove(file)
        self.files.append(file)
        self.emit(CheckpointSaved(file, step, epoch))

    def removed(self, file: str) -> None:
        self.files.remove(file)

    def request_stop(self) -> None:
        self._signalled = True

    @property
    def stop_requested(self) -> bool:
        return self._signalled or bool(self._attempt and self._attempt.stop_requested)

    def go_on_or_stop(self) -> None:
        """Raises Stopped when a stop was asked for: for the time before there is anything to save."""
        if self.stop_requested:
            raise Stopped

    def close(self) -> None:
        if self._events:
            with unless_full():
                self._events.close()
