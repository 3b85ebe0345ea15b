"""What it takes: time and disk."""

from __future__ import annotations

from collections.abc import Iterator

from train_tools.model.finding import Finding, Level
from train_tools.preflight.prospect import Prospect

TIME, DISK = "time", "disk"
NEARLY = 0.8
GIGABYTE = 1e9


def costs(prospect: Prospect) -> Iterator[Finding]:
    yield from _time(prospect)
    yield from _disk(prospect)


def _time(prospect: Prospect) -> Iterator[Finding]:
    plan = prospect.plan
    if plan.seconds:
        yield Finding(
            check=TIME,
            level=Level.OK,
            message=f"{plan.runs_to_train:,} runs take about {_in_words(plan.seconds)} ({plan.seconds_from}).",
        )


def _disk(prospect: Prospect) -> Iterator[Finding]:
    needed, free = prospect.plan.disk_bytes, prospect.plan.free_bytes
    what = f"{needed / GIGABYTE:,.1f} GB of disk are needed, {free / GIGABYTE:,.1f} GB are free."
    if needed > free:
        cure = "Free some, save fewer checkpoints (save_every_n_epochs), or choose another disk with --outputs."
        yield Finding(check=DISK, level=Level.STOP, message=what, cure=cure)
    elif needed > free * NEARLY:
        yield Finding(
            check=DISK, level=Level.WARNING, message=what, cure="Save fewer checkpoints, or free some space."
        )
    else:
        yield Finding(check=DISK, level=Level.OK, message=what)


def _in_words(seconds: float) -> str:
    return f"{seconds / 60:,.0f} minutes" if seconds < 7200 else f"{seconds / 3600:,.1f} hours"
