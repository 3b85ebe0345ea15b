"""How much memory a process tree takes while it runs: looked at from outside, again and again."""

from __future__ import annotations

import contextlib
from typing import Protocol

from train_tools.jobs.gpu import use_of
from train_tools.jobs.slots import Slot
from train_tools.jobs.tree import bearers


class MemoryWatch(Protocol):
    """Looks at a device whenever it is told to, and remembers the most it saw."""

    @property
    def peak_bytes(self) -> int: ...

    def look(self) -> None: ...


class ResidentMemory:
    """What all processes that bear a cookie hold of this machine's memory together."""

    def __init__(self, cookie: str) -> None:
        self._cookie = cookie
        self.peak_bytes = 0

    def look(self) -> None:
        import psutil

        held = 0
        for process in bearers(self._cookie):
            with contextlib.suppress(psutil.Error):
                held += process.memory_info().rss
        self.peak_bytes = max(self.peak_bytes, held)


class CardMemory:
    """How much more of a GPU is in use than when this was made. What others take meanwhile counts too: not every
    driver says who has what. Short of that it misses little, since torch keeps what it once had."""

    def __init__(self, uuid: str) -> None:
        self._uuid = uuid
        self._before = self._used()
        self.peak_bytes = 0

    def look(self) -> None:
        used, before = self._used(), self._before
        if used is not None and before is not None:
            self.peak_bytes = max(self.peak_bytes, used - before)

    def _used(self) -> int | None:
        use = use_of(self._uuid)
        return None if use is None else use.used_bytes


def watch_of(slot: Slot, cookie: str) -> MemoryWatch:
    """The watch that fits the device of a slot."""
    return CardMemory(slot.name) if slot.is_gpu else ResidentMemory(cookie)
