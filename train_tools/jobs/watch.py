"""Who is told when a worker has something to do and when it has not: what keeps the machine awake, say."""

from __future__ import annotations

from typing import Protocol


class Watch(Protocol):
    """Called in the worker's own thread, about once a second or more often. Must neither wait nor raise."""

    def busy(self) -> None:
        """Jobs run or wait."""
        ...

    def idle(self) -> bool:
        """Nothing runs, and nothing waits or the queue is paused. False = the worker is to stay for now."""
        ...

    def ended(self) -> None:
        """The worker goes. Jobs may run on without it."""
        ...


class NoWatch:
    """Nobody is told."""

    def busy(self) -> None:
        """Jobs run or wait."""

    def idle(self) -> bool:
        return True

    def ended(self) -> None:
        """The worker goes."""
