"""What becomes of the machine while jobs run and when none is left: a Watch for a worker."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from train_tools.errors import TrainToolsError
from train_tools.machine.awake import Awake
from train_tools.machine.notification import notification
from train_tools.machine.program import Program, run
from train_tools.machine.shutdown import ShutdownWish, shutdown_program

GRACE_S = 60.0
"""How long a shutdown can be revoked after it was announced."""
LOOK_AGAIN_S = 30.0
"""How often it is asked whether the machine is to be kept awake."""


class Night:
    """Keeps the machine awake while there is work; shuts it down afterwards when that is wished.

    `done` says whether nothing waits, runs or is paused, `alone` whether nobody else works on this machine.
    """

    def __init__(
        self,
        wish: ShutdownWish,
        *,
        keep_awake: Callable[[], bool],
        done: Callable[[], bool],
        alone: Callable[[], bool],
        say: Callable[[str], None] = lambda text: None,
        shutdown: Callable[[], Program | None] = shutdown_program,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wish = wish
        self._keep_awake = keep_awake
        self._done = done
        self._alone = alone
        self._say = say
        self._shutdown = shutdown
        self._clock = clock
        self._awake = Awake()
        self._look_at = float("-inf")
        self._ends_at: float | None = None

    def busy(self) -> None:
        self._stop_counting()
        if self._clock() >= self._look_at:
            self._look_at = self._clock() + LOOK_AGAIN_S
            if self._keep_awake():
                self._awake.hold()
            else:
                self._awake.release()

    def idle(self) -> bool:
        """False while it counts down to the shutdown."""
        self._awake.release()
        self._look_at = float("-inf")
        try:
            return not self._counting()
        except TrainToolsError as error:
            self._say(str(error))
            return True

    def ended(self) -> None:
        self._stop_counting()
        self._awake.release()

    def _counting(self) -> bool:
        """One step of the countdown. False when there is none, or when it has come to its end."""
        wish = self._wish.read()
        if wish is None or wish.problem or not self._done():
            self._stop_counting()
            return False
        if self._ends_at is None:
            self._count_from_now()
            self._tell(
                f"The queue is done: this machine shuts down in {GRACE_S:.0f} s. "
                "`train-tools then nothing`, or the page, revokes it."
            )
        elif self._clock() >= self._ends_at:
            return self._end_count()
        return True

    def _count_from_now(self) -> None:
        self._ends_at = self._clock() + GRACE_S
        self._wish.announce(time.time() + GRACE_S)

    def _end_count(self) -> bool:
        """True when it begins again: somebody else works on this machine."""
        if not self._alone():
            self._count_from_now()
            return True
        self._ends_at = None
        if self._wish.revoke():  # else it was revoked in this very moment
            self._shut_down()
        return False

    def _shut_down(self) -> None:
        program = self._shutdown()
        problem = run(program) if program else "there is no program for it"
        if problem:
            self._tell(f"This machine could not be shut down: {problem}.")
            self._wish.ask(problem)

    def _stop_counting(self) -> None:
        if self._ends_at is None:
            return
        self._ends_at = None
        self._say("This machine is not shut down now.")
        with contextlib.suppress(TrainToolsError):  # a countdown that stands there still hurts nobody
            self._wish.announce(None)

    def _tell(self, sentence: str) -> None:
        self._say(sentence)
        message = notification("Train Tools", sentence)
        if message is not None:
            run(message)
