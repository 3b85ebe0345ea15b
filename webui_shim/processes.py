"""Whether a process lives, and whether it is still the one it was: numbers are given out again."""

from __future__ import annotations

import os
from pathlib import Path

STILL_ACTIVE = 259
QUERY = 0x1000


def alive(pid: int, born: str) -> bool:
    """Whether the process runs and was born when it says. A child that ended is no longer alive."""
    if os.name == "nt":
        return _alive_on_windows(pid)
    try:
        if os.waitpid(pid, os.WNOHANG)[0] == pid:  # ours, and ended: a zombie until it is asked
            return False
    except OSError:  # not a child of this process: another WebUI started it
        pass
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return birth(pid) == born


def birth(pid: int) -> str:
    """When it was started, as the system spells it; empty where it does not say without further packages."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    state, *fields = stat.rpartition(")")[2].split()
    return "ended" if state in "ZX" else fields[18]


def _alive_on_windows(pid: int) -> bool:
    import ctypes

    kernel = ctypes.windll.kernel32
    handle = kernel.OpenProcess(QUERY, False, pid)
    if not handle:
        return False
    code = ctypes.c_ulong()
    kernel.GetExitCodeProcess(handle, ctypes.byref(code))
    kernel.CloseHandle(handle)
    return code.value == STILL_ACTIVE
