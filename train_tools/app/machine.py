"""The machine that the jobs run on: whether it may fall asleep, and what becomes of it when the queue is done."""

from __future__ import annotations

import time
from collections.abc import Callable

from train_tools.app.settings import Settings
from train_tools.errors import JobMoveError, OptionValueError, TrainToolsError
from train_tools.jobs.lease import others_at_work, state_folder
from train_tools.jobs.queue import UNFINISHED, Queue
from train_tools.jobs.watch import Watch
from train_tools.machine.load import Loads
from train_tools.machine.night import Night
from train_tools.machine.shutdown import ShutdownWish, shutdown_program
from train_tools.model.machine import AfterQueue, Load, Then
from train_tools.model.paths import OutputsPaths


class Machine:
    """What may be asked of this machine for the time when nobody sits before it."""

    def __init__(self, outputs: OutputsPaths, settings: Settings, queue: Callable[[], Queue]) -> None:
        self._settings = settings
        self._loads = Loads(outputs.folder)
        self._queue = queue

    @property
    def load(self) -> Load:
        """How busy it is now."""
        return self._loads.now()

    @property
    def after_queue(self) -> AfterQueue:
        """What was asked for, and how far it is."""
        wish = self._wish.read()
        if wish is None:
            return AfterQueue()
        if wish.problem:
            return AfterQueue(problem=f"This machine could not be shut down: {wish.problem}.")
        left = None if wish.at is None else max(0, round(wish.at - time.time()))
        return AfterQueue(then=Then.SHUT_DOWN, seconds_left=left)

    def after_queue_do(self, then: Then) -> AfterQueue:
        """Asks for a shutdown when the queue is done, this once; or revokes it."""
        if then is Then.NOTHING:
            self._wish.revoke()
        elif shutdown_program() is None:
            raise OptionValueError("This machine has no program by which Train Tools could shut it down.")
        elif self._is_done():
            raise JobMoveError("Nothing waits or runs: shut the machine down yourself, or queue something first.")
        elif self.after_queue.then is not then:
            self._wish.ask()
        return self.after_queue

    def is_to_be_shut_down_now(self) -> bool:
        """Whether only the shutdown is left to be done."""
        return self.after_queue.then is Then.SHUT_DOWN and self._is_done()

    def watch(self, say: Callable[[str], None]) -> Watch:
        """What a worker is to tell of its day."""
        return Night(
            self._wish,
            keep_awake=self._is_to_be_kept_awake,
            done=self._is_done,
            alone=lambda: not others_at_work(self._queue().id),
            say=say,
        )

    @property
    def _wish(self) -> ShutdownWish:
        return ShutdownWish(state_folder() / "then" / self._queue().id)

    def _is_done(self) -> bool:
        """Nothing waits, runs or is paused."""
        return self._queue().paused is None and not self._queue().jobs(states=UNFINISHED, limit=1)

    def _is_to_be_kept_awake(self) -> bool:
        try:
            return self._settings.read().machine.keep_awake
        except TrainToolsError:
            return True  # told to whoever looks at the settings
