"""How long pictures took on this machine, and how long others will. One line for each job that rendered some."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from train_tools.model.preview import Picture

REMEMBERED = 20
"""How many of the newest lines are looked at."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """What one job rendered. `effort` is the sum of its pictures' `effort_of`."""

    renderer: str
    host: str
    pictures: int
    effort: float
    seconds: float


def effort_of(picture: Picture) -> float:
    """Millions of pixels that went through the U-Net: with guidance each goes twice."""
    passes = picture.steps * (1 if picture.guidance == 1 else 2)
    return passes * picture.width_px * picture.height_px / 1e6


def note_pace(file: Path, pace: Pace) -> None:
    """Appends a line. What can't be written is not worth a job."""
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(asdict(pace)) + "\n")


def seconds_for(file: Path, pictures: Iterable[Picture], *, renderer: str, host: str) -> float | None:
    """How long the pictures will take, by what that renderer did here of late; None when it did nothing yet."""
    known = [pace for pace in _paces(file) if (pace.renderer, pace.host) == (renderer, host)][-REMEMBERED:]
    effort, seconds = sum(pace.effort for pace in known), sum(pace.seconds for pace in known)
    return sum(map(effort_of, pictures)) * seconds / effort if effort > 0 else None


def _paces(file: Path) -> Sequence[Pace]:
    """Lines that are torn, or that a newer version wrote otherwise, are passed over."""
    found = []
    with suppress(OSError):
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError, TypeError):
                found.append(Pace(**json.loads(line)))
    return found
