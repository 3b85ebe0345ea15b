"""How busy this machine is now: processors, memory, the disk of a folder, each NVIDIA card as its driver tells."""

from __future__ import annotations

import csv
import shutil
import subprocess
import threading
import time
from pathlib import Path

import psutil

from train_tools.machine.program import NO_WINDOW, found
from train_tools.model.machine import CardLoad, Load, Share

FRESH_S = 1.5
"""So long an answer of the driver's is good: it takes a tenth of a second, and several pages may ask."""
CLOCKED_S = 0.2
"""Of all processors together: less tells nothing, where they count in hundredths of a second."""
PATIENCE_S = 5.0
_ASKED = "--query-gpu=name,utilization.gpu,memory.used,memory.total,temperature.gpu"
_MIB = 2**20


class Loads:
    """Measures when it is asked, and never more often than is worth it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._asking = threading.Lock()
        self._cards: tuple[CardLoad, ...] = ()
        self._asked_at = -FRESH_S
        self._measuring = threading.Lock()
        self._clocks = psutil.cpu_times()
        self._busy = 0.0

    def now(self) -> Load:
        memory = psutil.virtual_memory()
        return Load(
            processors=self._processors_now(),
            memory=Share(used_bytes=memory.total - memory.available, total_bytes=memory.total),
            disk=_disk(self._folder),
            cards=self._cards_now(),
        )

    def _processors_now(self) -> float:
        """Since the answer before. Not `psutil.cpu_percent()`, which measures for each thread apart: a service
        answers from whichever is free, and one that never asked before is told 0."""
        with self._measuring:
            now = psutil.cpu_times()
            spent = {name: at - before for name, at, before in zip(now._fields, now, self._clocks, strict=True)}
            whole = sum(spent.values()) - spent.get("guest", 0.0) - spent.get("guest_nice", 0.0)
            if whole >= CLOCKED_S:
                idle = spent["idle"] + spent.get("iowait", 0.0)
                self._busy = min(max(1 - idle / whole, 0.0), 1.0)
                self._clocks = now
            return self._busy

    def _cards_now(self) -> tuple[CardLoad, ...]:
        with self._asking:
            if time.monotonic() - self._asked_at >= FRESH_S:
                self._cards = _cards()
                self._asked_at = time.monotonic()
            return self._cards


def _disk(folder: Path) -> Share:
    """Of the disk that a folder lies on, or will."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    used = shutil.disk_usage(there)
    return Share(used_bytes=used.total - used.free, total_bytes=used.total)


def _cards() -> tuple[CardLoad, ...]:
    """None when there is no driver, or it does not say."""
    program = found("nvidia-smi", _ASKED, "--format=csv,noheader,nounits")
    if program is None:
        return ()
    try:
        told = subprocess.run(
            program.command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_S,
            check=True,
            creationflags=NO_WINDOW,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    rows = csv.reader(told.splitlines(), skipinitialspace=True)
    return tuple(_card(*row) for row in rows if len(row) == len(_ASKED.split(",")))


def _card(name: str, busy: str, used: str, total: str, degrees: str) -> CardLoad:
    return CardLoad(
        name=name,
        busy=None if (percent := _number(busy)) is None else percent / 100,
        memory=Share(used_bytes=int((_number(used) or 0) * _MIB), total_bytes=int((_number(total) or 0) * _MIB)),
        degrees_c=_number(degrees),
    )


def _number(text: str) -> float | None:
    """The driver writes `[N/A]` for what a card does not tell."""
    try:
        return float(text)
    except ValueError:
        return None
