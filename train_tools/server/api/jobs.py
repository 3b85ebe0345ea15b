"""Jobs as pages see them: every one with its progress and its place in the queue, and what may be done with it."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Body, Path, Query, Request
from pydantic import Field
from starlette.responses import Response

from train_tools.model.job import Job, JobState, Stop, Wish
from train_tools.server.answers import Answer, Question, fresh
from train_tools.server.api.context import TheApp

MOST_JOBS = 1000
MOST_LOG_LINES = 2000

JobNumber = Annotated[int, Path(ge=-(2**63), lt=2**63)]
"""What the queue's file can hold."""

router = APIRouter(tags=["jobs"])


class Ending(Question):
    """How urgently a running job is to stop: after its epoch, after its step, or now."""

    stop: Stop = Stop.STEP


class NewPlace(Question):
    """Before another waiting job, or to a place (1 = the next to start); to the end when neither is given."""

    before: int | None = Field(None, ge=-(2**63), lt=2**63)
    place: int | None = Field(None, ge=1, lt=2**31)


class NewPriority(Question):
    priority: int


class NewTime(Question):
    """In seconds since the epoch; null = in its turn."""

    not_before: float | None = Field(allow_inf_nan=False)


AnEnding = Annotated[Ending, Body(default_factory=Ending)]


class JobAnswer(Answer):
    id: int
    kind: str
    title: str
    folder: str
    """Below the outputs folder."""
    state: JobState
    place: int | None
    """1 = the next to start; null when it does not wait for its turn."""
    priority: int
    not_before: float | None
    attempt: int
    slot: str | None
    phase: str
    step: int
    total_steps: int
    progress: float
    """0..1"""
    steps_per_s: float | None
    """By this attempt's own pace; null before there is one."""
    seconds_left: int | None
    loss: float | None
    message: str
    exit_code: int | None
    stopping: bool
    """It was asked to end and has not yet."""
    stop: Stop | None
    """How urgently."""
    wish: Wish | None
    """What becomes of it then."""
    can_cancel: bool
    can_pause: bool
    can_resume: bool
    can_move: bool
    can_retry: bool
    can_delete: bool
    queued_at: float
    started_at: float | None
    finished_at: float | None


class JobList(Answer):
    jobs: tuple[JobAnswer, ...]


class Log(Answer):
    text: str


@router.get("/jobs", response_model=JobList)
def list_jobs(
    request: Request,
    app: TheApp,
    limit: int = Query(200, ge=1, le=MOST_JOBS),
    offset: int = Query(0, ge=0, lt=2**31),
    state: Annotated[list[JobState] | None, Query()] = None,
) -> Response:
    """Active and waiting jobs in the order they run, then finished ones, newest first; those in these states, or
    all."""
    found = app.jobs.all(limit, offset, state or tuple(JobState))
    return fresh(request, JobList(jobs=tuple(job_answer(job) for job in found)))


@router.get("/jobs/{id}")
def one_job(id: JobNumber, app: TheApp) -> JobAnswer:
    return job_answer(app.jobs.get(id))


@router.get("/jobs/{id}/log")
def log(id: JobNumber, app: TheApp, lines: int = Query(40, ge=1, le=MOST_LOG_LINES)) -> Log:
    """The end of what its newest attempt wrote."""
    return Log(text=app.jobs.log(id, lines=lines))


@router.post("/jobs/{id}/cancel")
def cancel(id: JobNumber, app: TheApp, ending: AnEnding) -> JobAnswer:
    """A waiting job leaves the queue; a running one is asked to end."""
    return job_answer(app.jobs.cancel(id, ending.stop))


@router.post("/jobs/{id}/pause")
def pause(id: JobNumber, app: TheApp, ending: AnEnding) -> JobAnswer:
    """A waiting job is passed over; a running one is asked to end, and goes on from there once it is resumed."""
    return job_answer(app.jobs.pause(id, ending.stop))


@router.post("/jobs/{id}/resume")
def resume(id: JobNumber, app: TheApp) -> JobAnswer:
    """A paused job waits at its place again."""
    return job_answer(app.jobs.resume(id))


@router.post("/jobs/{id}/move")
def move(id: JobNumber, place: NewPlace, app: TheApp) -> JobAnswer:
    """Gives a waiting job another place. Its priority gives way where the place needs another."""
    return job_answer(app.jobs.move(id, before=place.before, place=place.place))


@router.post("/jobs/{id}/priority")
def prioritise(id: JobNumber, wanted: NewPriority, app: TheApp) -> JobAnswer:
    """Jobs of a higher priority go first."""
    return job_answer(app.jobs.prioritise(id, wanted.priority))


@router.post("/jobs/{id}/schedule")
def schedule(id: JobNumber, time: NewTime, app: TheApp) -> JobAnswer:
    """Lets a waiting job start at a time at the earliest."""
    return job_answer(app.jobs.schedule(id, time.not_before))


@router.post("/jobs/{id}/retry")
def retry(id: JobNumber, app: TheApp) -> JobAnswer:
    """Puts a job that has ended back into the queue."""
    return job_answer(app.jobs.retry(id))


@router.delete("/jobs/{id}", status_code=204)
def forget(id: JobNumber, app: TheApp) -> None:
    """Takes a job that waits or has ended off the list; its files stay."""
    app.jobs.forget(id)


def job_answer(job: Job) -> JobAnswer:
    now = time.time()
    left, pace = job.seconds_left(now), job.steps_per_s(now)
    return JobAnswer(
        id=job.id,
        kind=job.kind,
        title=job.title,
        folder=job.folder,
        state=job.state,
        place=job.place,
        priority=job.priority,
        not_before=job.not_before,
        attempt=job.attempt,
        slot=job.slot,
        phase=job.phase,
        step=job.step,
        total_steps=job.total_steps,
        progress=round(job.progress, 4),
        steps_per_s=None if pace is None else float(f"{pace:.2g}"),
        seconds_left=None if left is None else round(left),
        loss=job.loss,
        message=job.message,
        exit_code=job.exit_code,
        stopping=job.wish is not None,
        stop=job.stop,
        wish=job.wish,
        can_cancel=not job.state.finished and job.stop is not Stop.NOW,
        can_pause=job.state is not JobState.PAUSED and not job.state.finished and job.wish is None,
        can_resume=job.state is JobState.PAUSED or job.wish is Wish.PAUSE,
        can_move=job.state in (JobState.QUEUED, JobState.PAUSED),
        can_retry=job.state in (JobState.FAILED, JobState.CANCELLED, JobState.LOST),
        can_delete=not job.state.active,
        queued_at=job.queued_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
    )
