"""Locks on files, which the system takes away however their holders end: by one the service sees that a WebUI
lives, by others a WebUI sees that something is trained."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import IO

LOCKED_BYTE = 1 << 30
"""On Windows a lock is on a place in the file; the service looks at the same one."""
RETRY_S = 1.0


def show_presence(file: Path) -> None:
    """From now on, for as long as this process lives. "Reload UI" forgets everything but its threads."""
    name = f"train-tools is hosted: {file}"
    if name not in {thread.name for thread in threading.enumerate()}:
        threading.Thread(target=_hold, args=(file,), name=name, daemon=True).start()


def _hold(file: Path) -> None:
    """Waits behind another WebUI on the same outputs, so that one of them is always seen."""
    with file.open("a+b") as held:
        _lock(held)
        threading.Event().wait()


def is_locked(file: Path) -> bool:
    """Whether some process holds a lock on it. Raises OSError when it can't be read."""
    if not file.exists():
        return False
    with file.open("a+b") as looked_at:
        return not _lock_now(looked_at)


def _lock(file: IO[bytes]) -> None:
    while not _lock_now(file):
        time.sleep(RETRY_S)


def _lock_now(file: IO[bytes]) -> bool:
    try:
        if os.name == "posix":
            import fcntl

            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            import msvcrt

            file.seek(LOCKED_BYTE)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    return True
