"""The events of one attempt: small frozen facts, one JSON object a line in `events.jsonl`.

A trainer or renderer appends, the worker follows. The first line is `AttemptStarted`. A torn last line waits
for its newline; an unknown type or field (a newer writer) is skipped, never an error.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, get_args


@dataclass(frozen=True)
class AttemptStarted:
    """The process runs. Steps after `from_step` that an earlier attempt reported are superseded."""

    from_step: int = 0


@dataclass(frozen=True)
class PhaseStarted:
    """A stretch of work without steps of its own, in words for people: "loading the base model"."""

    name: str


@dataclass(frozen=True)
class StepDone:
    """One optimizer step (training), one image (previews, captions). `loss` is NaN-free or None."""

    step: int
    total_steps: int
    epoch: int = 0
    loss: float | None = None
    learning_rate: float | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Validated:
    """The mean loss on the images that are not trained on, after a step. With `ends_epoch` it is that of the
    epoch."""

    step: int
    epoch: int
    loss: float
    ends_epoch: bool = False


@dataclass(frozen=True)
class CheckpointSaved:
    """A whole checkpoint lies in the output folder under `file` (a name, not a path)."""

    file: str
    step: int
    epoch: int


@dataclass(frozen=True)
class ImageRendered:
    """A whole PNG lies under `file`, relative to the folder the renderer was given."""

    file: str


@dataclass(frozen=True)
class Warned:
    """Something the user should read that does not stop the work."""

    message: str


@dataclass(frozen=True)
class RunFinished:
    """The last line of an attempt that ended by itself; `outcome` as in `attempt.Result`."""

    outcome: str
    message: str = ""


Event = (
    AttemptStarted | PhaseStarted | StepDone | Validated | CheckpointSaved | ImageRendered | Warned | RunFinished
)
EVENT_TYPES = {cls.__name__: cls for cls in get_args(Event)}


def to_line(event: Event) -> str:
    return json.dumps({"type": type(event).__name__, **asdict(event)}, ensure_ascii=False, allow_nan=False)


def from_line(line: str) -> Event | None:
    """The event a line holds, or None for a type or fields that this version does not know."""
    try:
        record = json.loads(line)
        cls = EVENT_TYPES[record["type"]]
        known = {field.name for field in fields(cls)}
        event: Event = cls(**{key: value for key, value in record.items() if key in known})
    except (ValueError, KeyError, TypeError):
        return None
    return event


class EventLog:
    """Appends events to a file, each line in one write, so that readers see whole lines or a torn last
    one."""

    def __init__(self, path: Path) -> None:
        self._file: IO[str] = path.open("a", encoding="utf-8", newline="\n", buffering=1)

    def emit(self, event: Event) -> None:
        self._file.write(to_line(event) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class Tail:
    """Reads the whole new lines of a growing file; a half-written last line waits for its newline."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0

    def lines(self) -> Iterator[str]:
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self.offset)
            for raw in file:
                if not raw.endswith(b"\n"):
                    return
                self.offset += len(raw)
                yield raw.decode("utf-8", "replace").rstrip("\r\n")

    def events(self) -> Iterator[Event]:
        for line in self.lines():
            event = from_line(line)
            if event is not None:
                yield event
