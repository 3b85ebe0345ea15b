"""Shutting the machine down when the queue is done: the wish, which is for this night alone, and the program."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from train_tools.files import storage_error, write_json
from train_tools.machine.program import Program, found

FORMAT = 1
CLOCK_DRIFT_S = 300.0
"""By how much a system may misremember the time it was started at."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_APPLE_SCRIPT = 'tell application "System Events" to shut down'


def shutdown_program(system: str = sys.platform) -> Program | None:
    """The program that shuts this machine down at once, or None when there is none."""
    if system == "darwin":
        return found("osascript", "-e", _APPLE_SCRIPT)
    if system == "win32":
        return found("shutdown", "/s", "/t", "0")
    return found("systemctl", "poweroff") or found("shutdown", "-h", "now")


@dataclass(frozen=True, kw_only=True)
class Wish:
    """That the machine be shut down."""

    at: float | None = None
    """When it will be (seconds since 1970); None as long as something is to be done."""
    problem: str = ""
    """Why it could not be."""


class ShutdownWish:
    """The wish as a file, so that whoever asks and whoever works need not be the same process. It holds for this
    start of the system: one that a power cut left behind must not end another day.

    Only who asks makes the file; the countdown is noted beside it, so that noting never undoes a revocation.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "shut-down.json"
        self._countdown = folder / "countdown.json"

    def ask(self, problem: str = "") -> None:
        """`problem` = why it could not be done; it is not tried again until it is asked for again."""
        self.announce(None)
        _write(self._file, {"boot": boot(), "problem": problem})

    def revoke(self) -> bool:
        """Forgets the wish. True when there was one: whoever gets True has it, and nobody else."""
        there_was = _removed(self._file)
        self.announce(None)
        return there_was

    def read(self) -> Wish | None:
        """The wish, unless it is from before the system was started. A damaged one is none."""
        wish = _read(self._file)
        if not _is_this(str(wish.get("boot", ""))):
            return None
        at = _read(self._countdown).get("at")
        return Wish(at=at if isinstance(at, float) else None, problem=str(wish.get("problem", "")))

    def announce(self, at: float | None) -> None:
        """Notes when the machine will be shut down, for those who look; None = not yet."""
        if at is None:
            _removed(self._countdown)
        else:
            _write(self._countdown, {"at": at})


def _read(file: Path) -> Mapping[str, Any]:
    try:
        fields = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _write(file: Path, fields: Mapping[str, Any]) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(file, error) from error
    write_json(file, {"format": FORMAT, **fields})


def _removed(file: Path) -> bool:
    try:
        file.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise storage_error(file, error) from error
    return True


def boot() -> str:
    """What tells this start of the system from others."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return f"{psutil.boot_time():.0f}"


def _is_this(noted: str) -> bool:
    now = boot()
    try:
        return abs(float(noted) - float(now)) < CLOCK_DRIFT_S
    except ValueError:
        return noted == now
