"""The rest of the machine: Python, memory and what limits it, the clock, the disk, the port of the page."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from train_tools.model.finding import Finding, Level

GB = 1e9
OLDEST, NEWEST = (3, 11), (3, 13)
LITTLE_MEMORY = 4 * GB
"""Loading a base model takes about as much."""
LITTLE_SHARED = 1 * GB
LITTLE_DISK, NO_DISK = 10 * GB, 1 * GB
MADE = datetime(2025, 1, 1, tzinfo=UTC)
"""A clock from before this is wrong."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What this process may have, as the system's own files say it. `root` is another folder in tests."""

    root: Path = Path("/")

    @property
    def memory_bytes(self) -> int | None:
        """The container's limit of main memory; None = there is none."""
        for name in ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"):
            text = self._text(name).strip()
            if text.isdecimal() and int(text) < psutil.virtual_memory().total:
                return int(text)
        return None

    @property
    def in_container(self) -> bool:
        marks = (self.root / ".dockerenv", self.root / "run" / ".containerenv")
        return any(mark.exists() for mark in marks)

    @property
    def in_wsl(self) -> bool:
        return "microsoft" in self._text("proc/version").lower()

    @property
    def shared_bytes(self) -> int | None:
        """The memory that processes share; None where the system has no such place."""
        place = self.root / "dev" / "shm"
        return shutil.disk_usage(place).total if place.is_dir() else None

    def _text(self, name: str) -> str:
        try:
            return (self.root / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""


def system_findings(limits: Limits) -> Iterator[Finding]:
    yield _python()
    yield _system(limits)
    yield _memory(limits)
    yield from _shared_memory(limits)
    yield _clock(datetime.now().astimezone())


def _python() -> Finding:
    version = f"Python {platform.python_version()}, {64 if sys.maxsize > 2**32 else 32} bits"
    if OLDEST <= sys.version_info[:2] <= NEWEST and sys.maxsize > 2**32:
        return _finding("python", Level.OK, f"{version}.")
    return _finding(
        "python",
        Level.STOP,
        f"{version}: Train Tools wants 3.11, 3.12 or 3.13 with 64 bits.",
        "Start it with `python launch.py`, which finds one or says how to get it.",
    )


def _system(limits: Limits) -> Finding:
    place = " in a container" if limits.in_container else " in WSL" if limits.in_wsl else ""
    return _finding(
        "system",
        Level.OK,
        f"{platform.system()} {platform.release()} on {platform.machine()}, {os.cpu_count()} processors{place}.",
    )


def _memory(limits: Limits) -> Finding:
    memory = psutil.virtual_memory()
    limit = limits.memory_bytes
    free = memory.available if limit is None else min(memory.available, limit)
    told = f"{free / GB:.1f} of {memory.total / GB:.1f} GB of main memory are free"
    swap = psutil.swap_memory().total
    if limit is not None:
        told += f", and the container may have {limit / GB:.1f} GB in all"
    if free >= LITTLE_MEMORY:
        return _finding("main memory", Level.OK, f"{told}; {swap / GB:.1f} GB of swap.")
    if limit is not None and limit < LITTLE_MEMORY:
        cure = "Give the container more (docker: --memory)."
    elif limits.in_wsl:
        cure = "Give WSL more: memory= in .wslconfig of your Windows folder, then `wsl --shutdown`."
    else:
        cure = "Close other programs, or allow more swap (on Windows a larger paging file)."
    return _finding("main memory", Level.WARNING, f"{told}: a base model of full size may not fit.", cure)


def _shared_memory(limits: Limits) -> Iterator[Finding]:
    shared = limits.shared_bytes
    if shared is None:
        return
    told = f"{shared / GB:.1f} GB of memory can be shared by processes"
    if shared >= LITTLE_SHARED:
        yield _finding("shared memory", Level.OK, f"{told}.")
    else:
        yield _finding(
            "shared memory",
            Level.WARNING,
            f"{told}, which may be too little for the data loader's workers.",
            "Give the container more (docker: --shm-size=8g), or set max_data_loader_n_workers=0.",
        )


def _clock(now: datetime) -> Finding:
    told = f"It is {now:%Y-%m-%d %H:%M} in the time zone {now.tzname()}; start times go by this."
    if now >= MADE:
        return _finding("clock", Level.OK, told)
    return _finding("clock", Level.WARNING, f"{told} That can't be right.", "Set the clock of this machine.")


def folder_findings(outputs: Path) -> Iterator[Finding]:
    """Whether an outputs folder can be worked in."""
    problem = problem_of_writing(outputs)
    if problem:
        yield _finding(
            "outputs folder",
            Level.STOP,
            f"{outputs} can't be written: {problem}.",
            "Check its permissions, or choose another with --outputs.",
        )
        return
    free = shutil.disk_usage(outputs).free
    told = f"{outputs} can be written; {free / GB:.1f} GB are free there"
    if free >= LITTLE_DISK:
        yield _finding("outputs folder", Level.OK, f"{told}.")
    else:
        yield _finding(
            "outputs folder",
            Level.STOP if free < NO_DISK else Level.WARNING,
            f"{told}: a grid's checkpoints take some GB.",
            "Free some space (old checkpoints take most), or choose another disk with --outputs.",
        )


def problem_of_writing(folder: Path) -> str:
    """Writes a file there and removes it again. Returns why that can't be done; "" = it can."""
    trial = folder / f".{uuid.uuid4().hex}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial.write_bytes(b"can be written")
        trial.unlink()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def port_finding(port: int, served_at: str) -> Finding:
    """Whether the page can be served; `served_at` = where it is already."""
    if served_at:
        return _finding("port", Level.OK, f"The page is served at {served_at}")
    with socket.socket() as trial:
        try:
            if os.name == "posix":
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(("127.0.0.1", port))
        except OSError:
            return _finding(
                "port",
                Level.WARNING,
                f"The page's port {port} is taken by another program, or by the page of another outputs folder.",
                "Choose another: `train-tools serve --port 0` takes a free one.",
            )
    return _finding("port", Level.OK, f"The page's port {port} is free.")


def _finding(check: str, level: Level, message: str, cure: str = "") -> Finding:
    return Finding(check=check, level=level, message=message, cure=cure)
