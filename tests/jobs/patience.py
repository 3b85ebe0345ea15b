"""Waiting for other processes: as short as they allow, and never for ever."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
MOST_S = 30.0


def eventually(answer: Callable[[], T]) -> T:
    """The first answer that is true. AssertionError when there is none for half a minute."""
    deadline = time.monotonic() + MOST_S
    while not (found := answer()):
        assert time.monotonic() < deadline, "it did not happen in half a minute"
        time.sleep(0.02)
    return found
