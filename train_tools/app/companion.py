"""Ending with the WebUI that started us, but not while there is work."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_S = 20.0
"""A WebUI that is restarted finds us again."""
ENDED = "The WebUI has ended and nothing is left to do: Train Tools ends too."
GOES_ON = "The WebUI has ended. Train Tools goes on until its jobs are done; it is found again by the next start."


class Companion:
    """Knows when it is time to go. `accompanied`: whether a WebUI lives; `busy`: whether jobs run or will."""

    def __init__(
        self,
        accompanied: Callable[[], bool],
        busy: Callable[[], bool],
        *,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._accompanied = accompanied
        self._busy = busy
        self._say = say
        self._clock = clock
        self._idle_since: float | None = None
        self._told = False

    def is_to_go(self) -> bool:
        """To be asked every few seconds."""
        if self._accompanied():
            self._idle_since, self._told = None, False
            return False
        if self._busy():
            self._tell_once(GOES_ON)
            self._idle_since = None
            return False
        if self._idle_since is None:
            self._idle_since = self._clock()
        if self._clock() - self._idle_since < PATIENCE_S:
            return False
        self._say(ENDED)
        return True

    def _tell_once(self, sentence: str) -> None:
        if not self._told:
            self._say(sentence)
        self._told = True
