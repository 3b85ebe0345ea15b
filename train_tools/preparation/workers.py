"""Work on many files at once, its results in their order. Threads: decoding and resizing free Python's lock, and
nothing has to be sent from one process to another."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

MOST = 8
"""Large photographs in memory at once."""
AHEAD = 2
"""Results that wait for their turn, for each worker."""
T = TypeVar("T")
R = TypeVar("R")


def workers_here() -> int:
    """One for each core that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST)


def in_order(work: Callable[[T], R], items: Iterable[T], workers: int) -> Generator[R, None, None]:
    """The results one by one. Whoever stops asking stops the work: what has not begun never does."""
    pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="prepare")
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= workers * AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
