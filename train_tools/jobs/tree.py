"""A process tree that can be ended whole: every process of it bears a cookie in its environment.

A launcher may die and leave its trainer behind (measured with accelerate), so the process group is not enough.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

COOKIE = "TRAIN_TOOLS_ATTEMPT"
KILL_S = 10.0
YOUNG_S = 10.0
BEGINNING_S = 0.1
"""How long a process that is `YOUNG_S` old at most may take to begin its program."""
if sys.platform == "win32":
    APART = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
else:
    APART = 0
"""Creation flags that keep a Ctrl-C in the user's terminal from a process; on POSIX a new session does."""


class ProcessTree:
    """A started command and all that descends from it."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        stdin: IO[bytes] | int,
        log: IO[bytes],
        cookie: str,
    ) -> None:
        """Starts the command in a session of its own. Raises OSError when it can't be started."""
        self.cookie = cookie
        self._job = _kill_on_close_job() if sys.platform == "win32" else None
        self.launcher: subprocess.Popen[bytes] = subprocess.Popen(
            list(command),
            cwd=folder,
            env={**environment, COOKIE: cookie},
            stdin=stdin,
            stdout=log,
            stderr=subprocess.STDOUT,
            creationflags=APART,
            start_new_session=True,
        )
        if self._job is not None:
            _put_into_job(self._job, self.launcher)
        self._ended = threading.Event()
        threading.Thread(target=self._wait_for_launcher, daemon=True).start()

    def wait(self, timeout_s: float) -> int | None:
        """The launcher's exit code, or None when it still runs after `timeout_s`. Its end is seen at once."""
        return self.launcher.returncode if self._ended.wait(timeout_s) else None

    def _wait_for_launcher(self) -> None:
        self.launcher.wait()
        self._ended.set()

    def terminate(self) -> None:
        """Asks every process to end."""
        import psutil

        for process in bearers(self.cookie):
            with contextlib.suppress(psutil.Error):
                process.terminate()

    def kill(self) -> None:
        """Ends every process, also such as start while this runs."""
        if sys.platform != "win32":
            with contextlib.suppress(OSError):
                os.killpg(self.launcher.pid, signal.SIGKILL)
        kill_bearers(self.cookie)


def bearers(cookie: str) -> list[psutil.Process]:
    """The living processes of a tree, found by their cookie."""
    import psutil  # where it is needed: a supervisor is to start its trainer before it loads that

    return [process for process in psutil.process_iter() if _bears(process, cookie)]


def kill_bearers(cookie: str) -> None:
    """Kills until nobody is left, for some seconds at most: a dying process may have started another.

    It does not wait for them as a parent does: that would take the launcher's exit code from whoever asks for it.
    """
    import psutil

    deadline = time.monotonic() + KILL_S
    while (left := bearers(cookie)) and time.monotonic() < deadline:
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(0.02)


def _bears(process: psutil.Process, cookie: str) -> bool:
    import psutil

    try:
        alive = process.status() != psutil.STATUS_ZOMBIE
        return alive and bool(_environment(process).get(COOKIE) == cookie)
    except (psutil.Error, OSError):
        return False  # another user's, or gone meanwhile


def _environment(process: psutil.Process) -> Mapping[str, str]:
    """The environment a process was started with. While it begins its program the system shows none: a young
    process without one is looked at again."""
    environment: Mapping[str, str] = process.environ()
    deadline = time.monotonic() + BEGINNING_S
    while not environment and time.time() - process.create_time() < YOUNG_S and time.monotonic() < deadline:
        time.sleep(0.002)
        environment = process.environ()
    return environment


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    class _BasicLimits(ctypes.Structure):
        _fields_ = [
            ("PerProcessUserTimeLimit", ctypes.c_int64),
            ("PerJobUserTimeLimit", ctypes.c_int64),
            ("LimitFlags", wintypes.DWORD),
            ("MinimumWorkingSetSize", ctypes.c_size_t),
            ("MaximumWorkingSetSize", ctypes.c_size_t),
            ("ActiveProcessLimit", wintypes.DWORD),
            ("Affinity", ctypes.c_size_t),
            ("PriorityClass", wintypes.DWORD),
            ("SchedulingClass", wintypes.DWORD),
        ]

    class _ExtendedLimits(ctypes.Structure):
        _fields_ = [
            ("BasicLimitInformation", _BasicLimits),
            ("IoInfo", ctypes.c_uint64 * 6),
            ("ProcessMemoryLimit", ctypes.c_size_t),
            ("JobMemoryLimit", ctypes.c_size_t),
            ("PeakProcessMemoryUsed", ctypes.c_size_t),
            ("PeakJobMemoryUsed", ctypes.c_size_t),
        ]

    def _kill_on_close_job() -> int:
        """A job object whose processes end when its last handle (this process's) is closed."""
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        job = kernel.CreateJobObjectW(None, None)
        limits = _ExtendedLimits()
        limits.BasicLimitInformation.LimitFlags = 0x2000  # JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
        kernel.SetInformationJobObject(job, 9, ctypes.byref(limits), ctypes.sizeof(limits))
        return int(job)

    def _put_into_job(job: int, process: subprocess.Popen[bytes]) -> None:
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.AssignProcessToJobObject(job, int(process._handle))
else:

    def _kill_on_close_job() -> int:
        raise AssertionError("job objects exist on Windows only")

    def _put_into_job(job: int, process: subprocess.Popen[bytes]) -> None:
        raise AssertionError("job objects exist on Windows only")
