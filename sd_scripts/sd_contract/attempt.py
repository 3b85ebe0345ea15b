"""The folder of one attempt at a run, as both sides see it: the trainer finds it by its environment.

events.jsonl   what happened, one JSON object a line (see `events`)
stop           put there by whoever wants the trainer to end early, polled after each step: its text says how
               urgently, `epoch` or `step` (as an empty file does) or `now`
result.json    how the trainer ended, written last and whole (house.md, queue protocol 9)

Exit codes: 0 done or stopped as asked, 1 failed, 3 out of memory. A launcher may turn each failure into 1; the
`cause` in result.json stays.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

EVENTS_VARIABLE = "TRAIN_TOOLS_EVENTS"
Outcome = Literal["done", "cancelled", "failed"]
StopMode = Literal["epoch", "step", "now"]
URGENCY: tuple[StopMode, ...] = get_args(StopMode)
"""Save and end after the current epoch; after the current step; end at once, which the supervisor sees to."""
Cause = Literal["", "out of memory", "not a number"]
FAILED, OUT_OF_MEMORY = 1, 3


def exit_code(outcome: Outcome, cause: Cause = "") -> int:
    """What a trainer that ended so exits with."""
    if outcome != "failed":
        return 0
    return OUT_OF_MEMORY if cause == "out of memory" else FAILED


@dataclass(frozen=True)
class Attempt:
    """Paths inside one attempt's folder; the only place that spells these names."""

    folder: Path

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Attempt | None:
        """The attempt this process was started for, or None when it was started by hand."""
        events = environment.get(EVENTS_VARIABLE)
        return cls(Path(events).parent) if events else None

    @property
    def events(self) -> Path:
        return self.folder / "events.jsonl"

    @property
    def stop(self) -> Path:
        return self.folder / "stop"

    @property
    def result(self) -> Path:
        return self.folder / "result.json"

    @property
    def stop_requested(self) -> bool:
        return self.stop.exists()

    @property
    def stop_mode(self) -> StopMode | None:
        """How urgently the process is to end; None when nobody asks. What can't be read means "step"."""
        try:
            text = self.stop.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError):
            return "step"
        return next((mode for mode in URGENCY if mode == text), "step")

    def request_stop(self, mode: StopMode = "step") -> None:
        """Asks the process to save and end. Whoever asks more urgently is heard, whoever asks less is not."""
        asked = self.stop_mode
        if asked is not None and URGENCY.index(mode) <= URGENCY.index(asked):
            return
        temporary = self.stop.with_name(f".stop.{os.getpid()}.{threading.get_ident()}.tmp")
        try:
            temporary.write_text(mode, encoding="utf-8")
            temporary.replace(self.stop)
        except OSError:  # a full disk: an empty file needs no room, and says "step"
            temporary.unlink(missing_ok=True)
            self.stop.touch()


@dataclass(frozen=True, kw_only=True)
class Result:
    """How a trainer ended. `files` are the checkpoints it wrote, oldest first, relative to the output
    folder."""

    outcome: Outcome
    step: int
    total_steps: int
    files: tuple[str, ...] = ()
    message: str = ""
    cause: Cause = ""
    """Why it failed, for programs; empty when the message says all."""
    format: int = 1


def write_result(attempt: Attempt, result: Result) -> None:
    """Writes result.json so that it is there whole and on the disk, or not at all."""
    temporary = attempt.result.with_suffix(".json.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(asdict(result), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(attempt.result)
    finally:
        temporary.unlink(missing_ok=True)


def read_result(attempt: Attempt) -> Result | None:
    """The result, or None when the trainer has not (or not wholly) written one."""
    try:
        fields = json.loads(attempt.result.read_text(encoding="utf-8"))
        return Result(**{**fields, "files": tuple(fields.get("files", ()))})
    except (OSError, ValueError, TypeError):
        return None
