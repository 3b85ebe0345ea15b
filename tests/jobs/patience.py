"""Waiting for other processes: as short as they allow, and never for ever."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
MOST_S = 30.0


def eventually(answer: Callable[[], T], most_s: float = MOST_S) -> T:
    """The first answer that is true. AssertionError when there is none for half a minute, or for `most_s`."""
    deadline = time.monotonic() + most_s
    while not (found := answer()):
        assert time.monotonic() < deadline, f"it did not happen in {most_s:g} s"
        time.sleep(0.02)
    return found
