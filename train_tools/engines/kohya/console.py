"""What the console of kohya's scripts says, read from the log: progress bars that overwrite themselves, messages
in columns, lines in two languages. Nothing is matched from a line's start: messages are appended to bars.

Knows text only; what follows from it is `run`'s business.
"""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

_END_OF_LINE = re.compile(r"[\r\n]")
_WHOLE_BAR = re.compile(r"\d+%\|[^|]*\|[^\[]*\[[^\]]*\] *$")
"""A bar ends without an end of line: the next one begins with it, perhaps a minute later."""
LONGEST_LINE = 100_000
"""Of a line that never ends, no more is kept."""


@dataclass(frozen=True)
class Bar:
    """The steps' bar. `average` is that of the losses so far: NaN when one was none, None while it isn't shown."""

    done: int
    total: int
    average: float | None


@dataclass(frozen=True)
class EpochBegan:
    epoch: int


@dataclass(frozen=True)
class Saving:
    """A checkpoint is about to be written there."""

    file: Path


@dataclass(frozen=True)
class Removed:
    """An old checkpoint was let go."""

    file: Path


@dataclass(frozen=True)
class StateSaved:
    """The last file of a state folder is written."""

    folder: Path


@dataclass(frozen=True)
class Measure:
    """A number that decides where a later attempt goes on: `total`, `batches` an epoch, `accumulation`."""

    name: str
    number: int


@dataclass(frozen=True)
class Phase:
    """What the trainer is busy with, in our words."""

    name: str


@dataclass(frozen=True)
class Complaint:
    """A warning of the trainer, in its English words."""

    text: str


@dataclass(frozen=True)
class Other:
    """A line that means nothing here. It shows that what was begun before it is done."""


Said = Bar | EpochBegan | Saving | Removed | StateSaved | Measure | Phase | Complaint | Other

PHASES = (
    ("prepare images", "collecting the images"),
    ("loading model for process", "loading the base model"),
    ("caching latents", "encoding the images"),
    ("caching text encoder outputs", "encoding the captions"),
    ("create LoRA network|import network module", "building the network"),
    ("running training", "beginning to train"),
    ("generating sample images", "painting samples"),
    ("saving last state|saving state at", "saving the state"),
)
"""Signs in the log, each with what is shown for it."""

HARMLESS = re.compile(
    r"no regularization images|No caption file found|Failed to get git commit hash|neither caption file nor class"
)
"""Warnings that say what was meant: the app always gives a class, and a checkout needs no .git."""


def _bar(found: re.Match[str]) -> Bar:
    loss = found["loss"]
    return Bar(int(found["done"]), int(found["total"]), None if loss is None else _number(loss))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _complaint(found: re.Match[str]) -> Said:
    text = found["text"].split(" / ")[0].strip()
    return Other() if HARMLESS.search(text) or not text else Complaint(text)


_SIGNS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Said]], ...] = (
    (
        re.compile(
            r"(?<!validation )\bsteps: +\d+%\|[^|]*\| *(?P<done>\d+)/(?P<total>\d+) "
            r"\[[^\]]*?(?:\b(?:avr_)?loss=(?P<loss>[^,\]\s]+))?\]"
        ),
        _bar,
    ),
    (re.compile(r"^ *epoch (?P<epoch>\d+)/\d+ *$"), lambda found: EpochBegan(int(found["epoch"]))),
    (re.compile(r"saving checkpoint: (?P<file>.+?)\s*$"), lambda found: Saving(Path(found["file"]))),
    (re.compile(r"removing old checkpoint: (?P<file>.+?)\s*$"), lambda found: Removed(Path(found["file"]))),
    (
        re.compile(r"Random states saved in (?P<folder>.+?)[/\\]random_states_0\.pkl"),
        lambda found: StateSaved(Path(found["folder"])),
    ),
    (re.compile(r"num batches per epoch\b.*: (?P<number>\d+)"), lambda f: Measure("batches", int(f["number"]))),
    (
        re.compile(r"gradient accumulation steps\b.*= (?P<number>\d+)"),
        lambda f: Measure("accumulation", int(f["number"])),
    ),
    (re.compile(r"total optimization steps\b.*: (?P<number>\d+)"), lambda f: Measure("total", int(f["number"]))),
    *((re.compile(sign), lambda found, name=name: Phase(name)) for sign, name in PHASES),
    (re.compile(r"\bWARNING {2,}(?P<text>.+?)(?: {2,}\S+\.py:\d+.*)?$"), _complaint),
)


class Console:
    """Reads a growing log, in pieces of any length."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._begun = ""

    def read(self, piece: bytes) -> Iterator[Said]:
        """What the whole lines and bars say that end in this piece."""
        *lines, rest = _END_OF_LINE.split(self._begun + self._decoder.decode(piece))
        if _WHOLE_BAR.search(rest):
            lines.append(rest)
            rest = ""
        self._begun = rest[-LONGEST_LINE:]
        for line in lines:
            yield from said_in(line)

    def rest(self) -> Iterator[Said]:
        """What the last line says, which nothing ended."""
        line, self._begun = self._begun, ""
        yield from said_in(line)


def said_in(line: str) -> Iterator[Said]:
    """What one line says; it may be several things."""
    if not line.strip():
        return
    told = False
    for sign, meaning in _SIGNS:
        for found in sign.finditer(line):
            told = True
            yield meaning(found)
    if not told:
        yield Other()
