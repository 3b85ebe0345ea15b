"""A lease: a lock on a local file that lives exactly as long as some process of a job's tree does.

The supervisor takes it and hands the open file to the tree as its standard input. On POSIX a flock belongs to
the open file, so it is held until the last process that inherited it has ended, whoever was killed before
(measured on Linux: supervisor and launcher killed, held until the trainer died). On Windows the lock belongs to
the supervisor, and a job object ends the tree with it (see `tree`).
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import IO

SERVICE = "service.lock"
LOCKED_BYTE = 1 << 30
"""On Windows a lock is on a place in the file: one and the same for all, far behind what is ever noted."""

if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[bytes]) -> None:
        file.seek(LOCKED_BYTE)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: IO[bytes]) -> None:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


class Lease:
    """A held lease. Never unlocked explicitly: that would unlock it for the processes that inherited it."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self.path = path
        self.file = file

    @classmethod
    def take(cls, path: Path, patience_s: float = 0.0) -> Lease | None:
        """The lease, or None when another process holds it (still, after `patience_s`)."""
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b")
        deadline = time.monotonic() + patience_s
        while True:
            try:
                _lock(file)
                return cls(path, file)
            except OSError:
                if time.monotonic() >= deadline:
                    file.close()
                    return None
            time.sleep(0.05)

    def release(self) -> None:
        """Closes this process's hold; the lease ends when no other process has it."""
        self.file.close()

    def note(self, text: str) -> None:
        """Replaces what the lease file says."""
        self.file.seek(0)
        self.file.truncate()
        self.file.write(text.encode("utf-8"))
        self.file.flush()

    def noted(self) -> str:
        self.file.seek(0)
        return self.file.read().decode("utf-8", "replace")


def held(path: Path) -> bool:
    """Whether some process holds the lease now."""
    if not path.exists():
        return False
    lease = Lease.take(path)
    if lease is None:
        return True
    lease.release()
    return False


def noted(path: Path) -> str:
    """What the holder of a lease has noted in it."""
    try:
        return path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""


def state_folder() -> Path:
    """Where leases and slots of this user lie: on a local disk, shared by all outputs folders of the machine."""
    import platformdirs

    chosen = os.environ.get("TRAIN_TOOLS_STATE")
    return Path(chosen) if chosen else platformdirs.user_state_path("train-tools")


def job_lease(queue_id: str, job_id: int) -> Path:
    return state_folder() / "leases" / queue_id / f"{job_id}.lock"


def others_at_work(queue_id: str) -> bool:
    """Whether a worker or a job of another outputs folder of this user lives on this machine."""
    leases = (state_folder() / "leases").glob("*/*.lock")
    others = (lease for lease in leases if lease.parent.name != queue_id and lease.name != SERVICE)
    return any(held(lease) for lease in others)


def worker_lease(queue_id: str) -> Path:
    return state_folder() / "leases" / queue_id / "worker.lock"


def service_lease(queue_id: str) -> Path:
    return state_folder() / "leases" / queue_id / SERVICE
