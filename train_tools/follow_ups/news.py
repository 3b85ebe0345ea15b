"""What is worth telling somebody who is not looking, as the end of a job makes it so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from train_tools.errors import StorageError
from train_tools.jobs.queue import UNFINISHED, Queue
from train_tools.model.job import Job, JobState, NewJob, Verdict
from train_tools.model.paths import OutputsPaths
from train_tools.model.settings import Occasion
from train_tools.runs.training import TRAIN

WEBHOOK, DESKTOP = "webhook", "desktop"
"""The ways of news, which are kinds of job too."""
WAYS = (WEBHOOK, DESKTOP)
MANY = 100
LONGEST_MESSAGE = 1000

_HEADLINES = {
    Occasion.RUN_FAILED: "a run has failed",
    Occasion.GRID_FINISHED: "a grid is finished",
    Occasion.QUEUE_EMPTY: "the queue is empty",
}


@dataclass(frozen=True, kw_only=True)
class News:
    """One message. It is kept in the queue file and sent away: nothing secret belongs in here."""

    id: str
    """The same however often it is sent."""
    occasions: tuple[str, ...]
    headline: str
    text: str
    job: Mapping[str, Any]
    """What has ended: id, kind, title, state, message."""
    grid: Mapping[str, Any] | None = None
    """The grid it belongs to: project, version, name, and how many of its runs are done, failed, cancelled."""

    def subject(self, grid: str) -> dict[str, Any]:
        """As the queue keeps it, among what else belongs to the grid."""
        return {"grid": grid, "news": asdict(self)}

    @classmethod
    def of(cls, subject: Mapping[str, Any]) -> News:
        """The news a subject holds. Raises StorageError when it holds none."""
        try:
            return cls(**subject["news"])
        except (KeyError, TypeError) as error:
            raise StorageError(f"This job does not say what to tell ({error}). Remove it.") from error


class Newsroom:
    """Looks at the queue for what the end of a job means."""

    def __init__(self, outputs: OutputsPaths, queue: Queue) -> None:
        self._outputs = outputs
        self._queue = queue

    def news_of(
        self, job: Job, verdict: Verdict, following: Sequence[NewJob], when: Collection[Occasion]
    ) -> News | None:
        """What to tell of this end, which the queue does not know yet; None when it is none of the occasions.
        `following` are the jobs that will be queued with it."""
        happened = {
            Occasion.RUN_FAILED: lambda: job.kind == TRAIN and verdict.state is JobState.FAILED,
            Occasion.GRID_FINISHED: lambda: not following and self._ends_grid(job),
            Occasion.QUEUE_EMPTY: lambda: not following and self._ends_queue(job),
        }
        occasions = [occasion for occasion in happened if occasion in when and happened[occasion]()]
        if not occasions:
            return None
        grid = self._grid(job, verdict)
        sentences = [self._sentence(occasion, job, verdict, grid) for occasion in occasions]
        return News(
            id=f"{self._queue.id}/{job.id}/{job.attempt}",
            occasions=tuple(occasions),
            headline=", ".join(_HEADLINES[occasion] for occasion in occasions),
            text=" ".join(sentences),
            job={
                "id": job.id,
                "kind": job.kind,
                "title": job.title,
                "state": verdict.state.value,
                "message": verdict.message[:LONGEST_MESSAGE],
            },
            grid=grid,
        )

    def _ends_grid(self, job: Job) -> bool:
        """Not when somebody asked for more previews of a finished grid: he is looking."""
        asked_for_by_hand = job.kind != TRAIN and job.parent is None
        version = self._outputs.version_holding(job.folder)
        if asked_for_by_hand or version is None or not job.subject.get("grid"):
            return False
        folder = version.folder.relative_to(self._outputs.folder).as_posix()
        return not any(
            other.subject.get("grid") == job.subject["grid"] and other.id != job.id and other.kind not in WAYS
            for other in self._queue.below(folder, states=UNFINISHED)
        )

    def _ends_queue(self, job: Job) -> bool:
        """Whether nothing else will run; what is paused won't."""
        states = [state for state in UNFINISHED if state is not JobState.PAUSED]
        others = self._queue.jobs(states=states, limit=MANY)
        return len(others) < MANY and not any(other.id != job.id and other.kind not in WAYS for other in others)

    def _grid(self, job: Job, verdict: Verdict) -> dict[str, Any] | None:
        version = self._outputs.version_holding(job.folder)
        if version is None or not job.subject.get("grid"):
            return None
        folder = version.folder.relative_to(self._outputs.folder).as_posix()
        ends = Counter(
            (verdict if each.id == job.id else each).state
            for each in self._queue.below(folder, states=tuple(JobState))
            if each.kind == TRAIN and each.subject.get("grid") == job.subject["grid"]
        )
        return {
            "project": version.folder.parent.parent.name,
            "version": version.folder.name,
            "name": job.subject["grid"],
            **{state.value: ends[state] for state in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)},
        }

    def _sentence(self, occasion: Occasion, job: Job, verdict: Verdict, grid: Mapping[str, Any] | None) -> str:
        if occasion is Occasion.RUN_FAILED:
            return f"Failed: {job.title}. {verdict.message[:LONGEST_MESSAGE]}".strip()
        if occasion is Occasion.GRID_FINISHED:
            assert grid is not None, "a grid that is finished is one"
            ends = [f"{grid[end]} {end}" for end in ("done", "failed", "cancelled") if grid[end]]
            return f"Finished: {grid['project']} / {grid['version']}, {grid['name']}: {', '.join(ends)}."
        paused = len(self._queue.jobs(states=(JobState.PAUSED,), limit=MANY))
        return (
            "Nothing waits any more." if not paused else f"Nothing waits any more but what is paused ({paused})."
        )
