"""How a run tells what it does: lines in sd-scripts' form on the console, events in the attempt's file.

Also where a request to stop arrives: the attempt's `stop` file, or a signal. Knows nothing of torch."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import IO, Any, Literal

from lora_engine.errors import Stopped
from sd_contract.attempt import Attempt, StopMode
from sd_contract.errors import OptionError
from sd_contract.events import (
    AttemptStarted,
    CheckpointSaved,
    Event,
    EventLog,
    PhaseStarted,
    StepDone,
    Validated,
    Warned,
)
from sd_contract.options import LoggingOptions
from sd_contract.options.groups import LEVELS

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def unless_full() -> Iterator[None]:
    """Goes on where the disk has no room: what a run tells is worth less than the run."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise


class LossyStream:
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


class Console:
    """Where messages for people go: phases and states (INFO) to stdout, warnings to stderr, unless the options say
    otherwise. OptionError when their file can't be written."""

    def __init__(self, options: LoggingOptions) -> None:
        self._least = LEVELS.index(options.console_log_level or "INFO")
        self._simple = options.console_log_simple
        self._file = _begun(Path(options.console_log_file)) if options.console_log_file else None

    def tell(self, level: Literal["INFO", "WARNING"], message: str) -> None:
        if LEVELS.index(level) < self._least:
            return
        console = sys.stdout if self._simple or level == "INFO" else sys.stderr
        stream = self._file or LossyStream(console)
        try:
            stream.write(f"{message}\n")
            stream.flush()
        except OSError as error:
            if self._file is None:
                raise
            self.close()
            self.tell("WARNING", f"warning: console_log_file can't be written any more: {error.strerror}.")
            self.tell(level, message)

    def close(self) -> None:
        """Messages go to the console from now on."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # what it could not take before is still in its buffer
                file.close()


@dataclass(frozen=True)
class Before:
    """What the stages of a run have done before the one at hand, which counts its own steps and epochs from 1."""

    steps: int = 0
    epochs: int = 0


class Reporter:
    """Tells one run's story and remembers how far it has come: `step` of `total_steps`, `files` so far. Steps and
    epochs that it is told count from `before` on."""

    def __init__(self, attempt: Attempt | None) -> None:
        self.step = 0
        self.total_steps = 0
        self.files: list[str] = []
        self.before = Before()
        self._attempt = attempt
        self._events = EventLog(attempt.events) if attempt else None
        self._console = Console(LoggingOptions())
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

    def use_console(self, options: LoggingOptions) -> None:
        """From now on messages go where these options want them. OptionError when that can't be."""
        self._console = Console(options)

    def say(self, line: str) -> None:
        """A line of those that programs look for: always on stdout, at once even into a pipe."""
        stream = LossyStream(sys.stdout)
        stream.write(f"{line}\n")
        stream.flush()

    def note(self, message: str) -> None:
        """A message for people."""
        self._console.tell("INFO", message)

    def phase(self, name: str) -> None:
        """Begins a stretch of work without steps. Raises Stopped when that is what the user wants instead."""
        self.go_on_or_stop()
        self._phase = name
        self.emit(PhaseStarted(name))
        self.note(name)
        self._last_step_at = monotonic()

    @property
    def doing(self) -> str:
        """What the run is at: "training, after step 3"."""
        return f"{self._phase}, after step {self.step}" if self.step else self._phase

    def warn(self, message: str) -> None:
        self.emit(Warned(message))
        self._console.tell("WARNING", f"warning: {message}")

    def step_done(self, step: int, epoch: int, loss: float | None, learning_rate: float) -> None:
        self.step = self.before.steps + step
        now = monotonic()
        seconds, self._last_step_at = now - self._last_step_at, now
        self.emit(
            StepDone(
                step=self.step,
                total_steps=self.total_steps,
                epoch=self.before.epochs + epoch,
                loss=loss,
                learning_rate=learning_rate,
                seconds=round(seconds, 4),
            )
        )

    def validated(self, found: Validated) -> None:
        step, epoch = self.before.steps + found.step, self.before.epochs + found.epoch
        self.emit(replace(found, step=step, epoch=epoch))
        self.note(f"validation loss after step {found.step}: {found.loss:.5f}")
        self._last_step_at = monotonic()

    def saved(self, file: str, step: int, epoch: int) -> None:
        if file in self.files:
            self.files.remove(file)
        self.files.append(file)
        self.emit(CheckpointSaved(file, self.before.steps + step, self.before.epochs + epoch))

    def removed(self, file: str) -> None:
        self.files.remove(file)

    def request_stop(self) -> None:
        self._signalled = True

    @property
    def stop_requested(self) -> bool:
        """Whether the run is to end after the step it is at."""
        return self._signalled or self._mode in ("step", "now")

    def stops_after_step(self, *, ends_epoch: bool) -> bool:
        """Whether the run is to end here, after a step that is the last of its epoch or not."""
        return self.stop_requested or (ends_epoch and self._mode == "epoch")

    @property
    def _mode(self) -> StopMode | None:
        return self._attempt.stop_mode if self._attempt else None

    def go_on_or_stop(self) -> None:
        """Raises Stopped when a stop was asked for: for the time before there is anything to save."""
        if self.stop_requested:
            raise Stopped

    def close(self) -> None:
        self._console.close()
        if self._events:
            with unless_full():
                self._events.close()


def _begun(path: Path) -> IO[str]:
    try:
        return path.open("w", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise OptionError(
            f"console_log_file = {path} can't be written ({error.strerror}). Choose another file."
        ) from error
