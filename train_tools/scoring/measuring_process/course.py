"""How far the measuring is, and whether it is to stop."""

from __future__ import annotations

from sd_contract.attempt import Attempt
from train_tools.jobs.errand import Progress, StoppedError


class Course:
    """Told of each measurement that is done, of so many."""

    def __init__(self, attempt: Attempt, progress: Progress, total: int) -> None:
        self._attempt = attempt
        self._progress = progress
        self._total = total
        self._count = 0

    @property
    def stopped(self) -> bool:
        return self._attempt.stop_requested

    def phase(self, name: str) -> None:
        self._progress.phase(name)

    def begin(self) -> None:
        """Raises StoppedError when nothing more is to be begun."""
        if self.stopped:
            raise StoppedError

    def done(self) -> None:
        self._count += 1
        self._progress(self._count, self._total)
