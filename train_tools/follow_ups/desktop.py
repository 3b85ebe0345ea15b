"""News on this machine's desktop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sd_contract.attempt import Attempt
from train_tools.errors import NotFoundError
from train_tools.follow_ups.news import DESKTOP, News
from train_tools.jobs.errand import Errand
from train_tools.jobs.kind import Launch
from train_tools.machine.notification import notification
from train_tools.model.job import Job
from train_tools.model.settings import UserSettings


class DesktopJob(Errand):
    """JobKind `desktop`. The system's own program is its process."""

    name = DESKTOP

    def __init__(self, settings: Callable[[], UserSettings]) -> None:
        self._settings = settings

    def prepare(self, job: Job, folder: Path, attempt: Attempt) -> Launch:
        self._settings()  # where they can't be read, this job is how the user gets to know
        news = News.of(job.subject)
        program = notification(f"Train Tools: {news.headline}", news.text)
        if program is None:
            raise NotFoundError("This machine has no program that shows messages on its desktop.")
        return Launch(
            command=program.command, folder=attempt.folder, environment=program.environment, stop_grace_s=0.0
        )
