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
ENDS = (JobState.DONE, JobState.FAILED, JobState.CANCELLED)

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
        end = _End(job, verdict, gives_grid_up=self._gives_grid_up(job, verdict))
        happened = {
            Occasion.RUN_FAILED: lambda: job.kind == TRAIN and verdict.state is JobState.FAILED,
            Occasion.GRID_FINISHED: lambda: not following and self._finishes_grid(end),
            Occasion.QUEUE_EMPTY: lambda: not following and self._empties_queue(end),
        }
        occasions = [occasion for occasion in happened if occasion in when and happened[occasion]()]
        if not occasions:
            return None
        grid = self._grid(end)
        return News(
            id=f"{self._queue.id}/{job.id}/{job.attempt}",
            occasions=tuple(occasions),
            headline=", ".join(_HEADLINES[occasion] for occasion in occasions),
            text=" ".join(self._sentence(occasion, end, grid) for occasion in occasions),
            job={
                "id": job.id,
                "kind": job.kind,
                "title": job.title,
                "state": verdict.state.value,
                "message": verdict.message[:LONGEST_MESSAGE],
            },
            grid=grid,
        )

    def _finishes_grid(self, end: _End) -> bool:
        """Not when somebody asked for more previews of a finished grid: he is looking."""
        asked_for_by_hand = end.job.kind != TRAIN and end.job.parent is None
        members = [other for other in self._of_grid(end.job, UNFINISHED) if other.kind not in WAYS]
        return not asked_for_by_hand and bool(members) and all(end.state_of(each).finished for each in members)

    def _empties_queue(self, end: _End) -> bool:
        """Whether nothing else will run; what is paused won't."""
        if self._queue.waiting() > MANY and not end.gives_grid_up:
            return False
        others = [job for job in self._queue.jobs(states=UNFINISHED) if job.kind not in WAYS]
        states = [end.state_of(other) for other in others]
        return all(state.finished or state is JobState.PAUSED for state in states)

    def _of_grid(self, job: Job, states: Sequence[JobState]) -> list[Job]:
        """The jobs of the job's grid, itself among them; none when it belongs to none."""
        version = self._outputs.version_holding(job.folder)
        grid = job.subject.get("grid")
        if version is None or not grid:
            return []
        folder = version.folder.relative_to(self._outputs.folder).as_posix()
        return [each for each in self._queue.below(folder, states=states) if each.subject.get("grid") == grid]

    def _gives_grid_up(self, job: Job, verdict: Verdict) -> bool:
        """Whether the queue will take out what waits of the grid, since too many of it have failed."""
        if verdict.state is not JobState.FAILED or not job.stop_after_failures:
            return False
        failed = sum(each.grid == job.grid for each in self._of_grid(job, (JobState.FAILED,)))
        return (failed + 1) % job.stop_after_failures == 0

    def _grid(self, end: _End) -> dict[str, Any] | None:
        version = self._outputs.version_holding(end.job.folder)
        members = self._of_grid(end.job, tuple(JobState))
        if version is None or not members:
            return None
        ends = Counter(end.state_of(each) for each in members if each.kind == TRAIN)
        return {
            "project": version.folder.parent.parent.name,
            "version": version.folder.name,
            "name": end.job.subject["grid"],
            **{state.value: ends[state] for state in ENDS},
        }

    def _sentence(self, occasion: Occasion, end: _End, grid: Mapping[str, Any] | None) -> str:
        if occasion is Occasion.RUN_FAILED:
            return f"Failed: {end.job.title}. {end.verdict.message[:LONGEST_MESSAGE]}".strip()
        if occasion is Occasion.GRID_FINISHED:
            assert grid is not None, "a grid that is finished is one"
            ends = [f"{grid[state.value]} {state}" for state in ENDS if grid[state.value]]
            return f"Finished: {grid['project']} / {grid['version']}, {grid['name']}: {', '.join(ends)}."
        paused = len(self._queue.jobs(states=(JobState.PAUSED,), limit=MANY))
        return (
            "Nothing waits any more." if not paused else f"Nothing waits any more but what is paused ({paused})."
        )


@dataclass(frozen=True)
class _End:
    """The end of a job that the queue does not know yet."""

    job: Job
    verdict: Verdict
    gives_grid_up: bool

    def state_of(self, other: Job) -> JobState:
        """The state of a job, perhaps this one, after this end."""
        if other.id == self.job.id:
            return self.verdict.state
        if (
            self.gives_grid_up
            and other.grid == self.job.grid
            and not other.state.active
            and not other.state.finished
        ):
            return JobState.CANCELLED
        return other.state
