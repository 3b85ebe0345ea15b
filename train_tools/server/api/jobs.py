"""The queue as pages see it: every job with its progress, and what may be done with it."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from train_tools.model.job import Job, JobState
from train_tools.server.answers import Answer, fresh
from train_tools.server.api.context import TheApp

MOST_JOBS = 1000
MOST_LOG_LINES = 2000

JobNumber = Annotated[int, Path(ge=-(2**63), lt=2**63)]
"""What the queue's file can hold."""

router = APIRouter(tags=["jobs"])


class JobAnswer(Answer):
    id: int
    kind: str
    title: str
    folder: str
    """Below the outputs folder."""
    state: JobState
    attempt: int
    slot: str | None
    phase: str
    step: int
    total_steps: int
    progress: float
    """0..1"""
    seconds_left: int | None
    loss: float | None
    message: str
    stopping: bool
    """It was asked to end and has not yet."""
    can_cancel: bool
    can_retry: bool
    queued_at: float
    started_at: float | None
    finished_at: float | None


class JobList(Answer):
    jobs: tuple[JobAnswer, ...]


class Log(Answer):
    text: str


@router.get("/jobs", response_model=JobList)
def list_jobs(request: Request, app: TheApp, limit: int = Query(200, ge=1, le=MOST_JOBS)) -> Response:
    """Active and waiting jobs in the order they run, then finished ones, newest first."""
    return fresh(request, JobList(jobs=tuple(_job(job) for job in app.jobs.all(limit=limit))))


@router.get("/jobs/{id}")
def one_job(id: JobNumber, app: TheApp) -> JobAnswer:
    return _job(app.jobs.get(id))


@router.get("/jobs/{id}/log")
def log(id: JobNumber, app: TheApp, lines: int = Query(40, ge=1, le=MOST_LOG_LINES)) -> Log:
    """The end of what its newest attempt wrote."""
    return Log(text=app.jobs.log(id, lines=lines))


@router.post("/jobs/{id}/cancel")
def cancel(id: JobNumber, app: TheApp) -> JobAnswer:
    """A waiting job leaves the queue; a running one is asked to save and end."""
    app.jobs.cancel(id)
    return _job(app.jobs.get(id))


@router.post("/jobs/{id}/retry")
def retry(id: JobNumber, app: TheApp) -> JobAnswer:
    """Puts a job that has ended back into the queue."""
    app.jobs.retry(id)
    return _job(app.jobs.get(id))


def _job(job: Job) -> JobAnswer:
    left = job.seconds_left(time.time())
    return JobAnswer(
        id=job.id,
        kind=job.kind,
        title=job.title,
        folder=job.folder,
        state=job.state,
        attempt=job.attempt,
        slot=job.slot,
        phase=job.phase,
        step=job.step,
        total_steps=job.total_steps,
        progress=round(job.progress, 4),
        seconds_left=None if left is None else round(left),
        loss=job.loss,
        message=job.message,
        stopping=job.wish is not None,
        can_cancel=not job.state.finished and job.wish is None,
        can_retry=job.state in (JobState.FAILED, JobState.CANCELLED, JobState.LOST),
        queued_at=job.queued_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
    )
