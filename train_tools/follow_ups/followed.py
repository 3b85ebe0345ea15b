"""A kind of job with what the user wants done after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from sd_contract.attempt import Attempt, Result
from sd_contract.events import Event
from train_tools.errors import TrainToolsError
from train_tools.follow_ups.copies import copy_job
from train_tools.follow_ups.news import DESKTOP, WEBHOOK, News, Newsroom
from train_tools.jobs.kind import Exit, JobKind, Launch, last_attempt
from train_tools.jobs.queue import Queue
from train_tools.machine.notification import notification
from train_tools.model.job import Job, JobState, NewJob, Verdict
from train_tools.model.paths import JobPaths, OutputsPaths, VersionPaths
from train_tools.model.settings import Occasion, UserSettings
from train_tools.previews.kind import KIND as PREVIEW
from train_tools.runs.training import PREVIEWS, TRAIN
from train_tools.settings.secrets import Secrets


class Wishes:
    """What is to follow the end of a job, by the settings as they are then.

    Settings that can't be read are nobody's wish to do nothing: the jobs are queued, fail with the sentence that
    says what is wrong, and do their work when they are tried again after that was mended.
    """

    def __init__(
        self,
        outputs: OutputsPaths,
        queue: Callable[[], Queue],
        settings: Callable[[], UserSettings],
        secrets: Secrets,
        previews_wanted: Callable[[VersionPaths], bool],
    ) -> None:
        self._outputs = outputs
        self._queue = queue
        self._settings = settings
        self._secrets = secrets
        self._previews_wanted = previews_wanted

    def of_its_own(self, job: Job, own: Sequence[NewJob]) -> list[NewJob]:
        """Of the jobs that a kind asks for itself those that are wanted: previews only where the order, or else
        the version, says so."""
        return [follow_up for follow_up in own if follow_up.kind != PREVIEW or self._is_rendered(job)]

    def _is_rendered(self, job: Job) -> bool:
        ordered = job.subject.get(PREVIEWS)
        version = self._outputs.version_holding(job.folder)
        return self._previews_wanted(version) if ordered is None and version is not None else ordered is not False

    def after(self, job: Job, verdict: Verdict, own: Sequence[NewJob]) -> list[NewJob]:
        """Further jobs, besides the `own` ones of its kind. A job that somebody cancelled wants none."""
        if verdict.state not in (JobState.DONE, JobState.FAILED):
            return []
        settings = self._read()
        copies = self._copies(job, verdict, settings)
        return [*copies, *self._news(job, verdict, [*own, *copies], settings)]

    def _copies(self, job: Job, verdict: Verdict, settings: UserSettings | None) -> list[NewJob]:
        trained = job.kind == TRAIN and verdict.state is JobState.DONE
        wanted = settings is None or settings.copies.folder
        return [copy_job(self._outputs, job)] if trained and wanted else []

    def _news(
        self, job: Job, verdict: Verdict, following: Sequence[NewJob], settings: UserSettings | None
    ) -> list[NewJob]:
        ways = self._ways(settings)
        if not ways:
            return []
        when = settings.news.when if settings else tuple(Occasion)
        news = Newsroom(self._outputs, self._queue()).news_of(job, verdict, following, when)
        return [self._news_job(job, news, way) for way in ways] if news else []

    def _ways(self, settings: UserSettings | None) -> list[str]:
        """The ways of news that are open."""
        if settings is None:
            return [DESKTOP]
        webhook = settings.news.webhook and self._has_webhook()
        desktop = settings.news.desktop and notification("", "") is not None
        return [way for way, is_open in ((WEBHOOK, webhook), (DESKTOP, desktop)) if is_open]

    def _has_webhook(self) -> bool:
        try:
            return self._secrets.webhook is not None
        except TrainToolsError:
            return True  # its job says what is wrong with it

    def _news_job(self, job: Job, news: News, way: str) -> NewJob:
        folder = JobPaths(self._outputs.folder / job.folder).news(way)
        return NewJob(
            kind=way,
            title=f"{way}: {news.headline}",
            folder=folder.relative_to(self._outputs.folder).as_posix(),
            subject=news.subject(str(job.subject.get("grid", ""))),
            attempt=last_attempt(folder),
            priority=job.priority,
        )

    def _read(self) -> UserSettings | None:
        try:
            return self._settings()
        except TrainToolsError:
            return None


class Followed:
    """A JobKind as it is, whose ends the wishes are asked about."""

    def __init__(self, kind: JobKind, wishes: Wishes) -> None:
        self._kind = kind
        self._wishes = wishes

    @property
    def name(self) -> str:
        return self._kind.name

    def prepare(self, job: Job, folder: Path, attempt: Attempt) -> Launch:
        return self._kind.prepare(job, folder, attempt)

    def observe(self, job: Job, folder: Path, attempt: Attempt, event: Event) -> None:
        self._kind.observe(job, folder, attempt, event)

    def judge(self, job: Job, folder: Path, attempt: Attempt, exit_: Exit, result: Result | None) -> Verdict:
        return self._kind.judge(job, folder, attempt, exit_, result)

    def follow_ups(self, job: Job, folder: Path, verdict: Verdict) -> Sequence[NewJob]:
        own = self._wishes.of_its_own(job, self._kind.follow_ups(job, folder, verdict))
        return (*own, *self._wishes.after(job, verdict, own))
