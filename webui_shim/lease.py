"""The WebUI's queue in our hands while something is trained: whoever presses Generate waits, instead of both
running out of memory. It is given back however the training ends, because it hangs on a lock that the system takes
away from processes that end."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .presence import is_locked

GRACE_S = 60.0
"""How long a training may take to begin."""
LOOK_EVERY_S = 0.5
NAME = "train-tools leases the queue: "


class Lease(threading.Thread):
    """Holds `queue_lock` as long as `file` is locked. `enter` is done once it is held, `leave` before it is given
    back; what fails there is told on the console and changes nothing."""

    def __init__(
        self,
        file: Path,
        queue_lock: Any,
        *,
        enter: Callable[[], None],
        leave: Callable[[], None],
        is_locked: Callable[[Path], bool] = is_locked,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(name=f"{NAME}{file}", daemon=True)
        self.file = file
        self.taken = threading.Event()
        self._queue_lock = queue_lock
        self._enter = enter
        self._leave = leave
        self._is_locked = is_locked
        self._clock = clock
        self._sleep = sleep
        self._begun = False
        """Whether the training was seen to run."""
        self._deadline = clock() + GRACE_S

    def begin(self) -> None:
        """Without effect when it has begun already."""
        if self.ident is None:
            self.start()

    def run(self) -> None:
        self._queue_lock.acquire()
        try:
            told(self._enter)
            self.taken.set()
            while self._is_wanted():
                self._sleep(LOOK_EVERY_S)
            told(self._leave)
        finally:
            self._queue_lock.release()

    def _is_wanted(self) -> bool:
        """The training runs, or may still begin."""
        try:
            runs = self._is_locked(self.file)
        except OSError:
            return False
        self._begun = self._begun or runs
        return runs or (not self._begun and self._clock() < self._deadline)


def told(action: Callable[[], None]) -> None:
    try:
        action()
    except Exception:
        traceback.print_exc()


def leases_at_work() -> dict[Path, Any]:
    """Those of before "Reload UI" too, which forgets everything but threads."""
    return {thread.file: thread for thread in threading.enumerate() if thread.name.startswith(NAME)}
