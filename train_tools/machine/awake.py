"""Keeping the machine from falling asleep, by the means its system has. What does so ends with this process, also
when that is killed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable

from train_tools.machine.program import Program, found

WHO, WHY = "Train Tools", "A training runs or waits"
PATIENCE_S = 2.0
ES_CONTINUOUS, ES_SYSTEM_REQUIRED = 0x80000000, 0x00000001


def inhibitor(system: str = sys.platform) -> Program | None:
    """The program that keeps this machine awake as long as it runs, or None when there is none.

    On Linux it ends when its standard input does, on a Mac with the process of this number.
    """
    if system == "darwin":
        return found("caffeinate", "-i", "-w", str(os.getpid()))
    if system == "win32":
        return None  # a call of the system's does it
    return found("systemd-inhibit", "--what=idle:sleep", f"--who={WHO}", f"--why={WHY}", "--mode=block", "cat")


def can_keep_awake(system: str = sys.platform) -> bool:
    return system == "win32" or inhibitor(system) is not None


class Awake:
    """Holds the machine awake between `hold` and `release`; both may be called again and again."""

    def __init__(self, find: Callable[[], Program | None] = inhibitor) -> None:
        self._find = find
        self._holding = False
        self._process: subprocess.Popen[bytes] | None = None

    def hold(self) -> None:
        if self._holding:
            return
        self._holding = True
        if sys.platform == "win32":
            _set_execution_state(ES_CONTINUOUS | ES_SYSTEM_REQUIRED)
        program = self._find()
        if program is not None:
            with contextlib.suppress(OSError):  # a machine that may sleep is no reason not to train
                self._process = subprocess.Popen(
                    program.command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )

    def release(self) -> None:
        if not self._holding:
            return
        self._holding = False
        if sys.platform == "win32":
            _set_execution_state(ES_CONTINUOUS)
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            with contextlib.suppress(OSError):
                process.stdin.close()
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if sys.platform == "win32":

    def _set_execution_state(state: int) -> None:
        """Holds for this thread, and as long as it lives."""
        import ctypes

        ctypes.windll.kernel32.SetThreadExecutionState(ctypes.c_uint(state))
else:

    def _set_execution_state(state: int) -> None:
        raise AssertionError("execution states exist on Windows only")
