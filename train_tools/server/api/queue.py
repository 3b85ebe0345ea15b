"""The queue as a whole: whether it goes on, what it waits for, how long it will take."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from train_tools.model.job import QueueState
from train_tools.server.answers import Answer, Question, fresh
from train_tools.server.api.context import TheApp

router = APIRouter(tags=["queue"])


class Pause(Question):
    reason: str = Field("", max_length=200)
    running_too: bool = False
    """What runs is asked to stop after its step, too, and comes back to its place."""


class QueueAnswer(Answer):
    state: str
    """`paused`, `waiting` (for what `reason` says), `working` or `idle`."""
    paused: bool
    reason: str
    """Why it was paused, or why it starts nothing though jobs wait; empty otherwise."""
    waiting: int
    ahead: int
    """How many jobs a new one would wait for."""
    active: int
    seconds_left: int | None
    """Over all jobs that run and wait."""


@router.get("/queue", response_model=QueueAnswer)
def queue(request: Request, app: TheApp) -> Response:
    return fresh(request, _queue(app.jobs.state()))


@router.post("/queue/pause")
def pause(pause: Pause, app: TheApp) -> QueueAnswer:
    """Nothing more is started until the queue is resumed."""
    return _queue(app.jobs.pause_all(pause.reason, running_too=pause.running_too))


@router.post("/queue/resume")
def resume(app: TheApp) -> QueueAnswer:
    return _queue(app.jobs.resume_all())


def _queue(queue: QueueState) -> QueueAnswer:
    return QueueAnswer(
        state=queue.word,
        paused=queue.paused,
        reason=queue.reason,
        waiting=queue.waiting,
        ahead=queue.waiting,
        active=queue.active,
        seconds_left=None if queue.seconds_left is None else round(queue.seconds_left),
    )
