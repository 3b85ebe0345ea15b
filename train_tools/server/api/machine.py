"""What becomes of the machine when the queue is done."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from train_tools.model.machine import AfterQueue, Then
from train_tools.server.answers import Answer, Question, fresh
from train_tools.server.api.context import TheApp

router = APIRouter(prefix="/queue/then", tags=["machine"])


class ThenAnswer(Answer):
    then: Then
    seconds_left: int | None
    """Until the machine is shut down, which may be revoked so long; None = not before the queue is done."""
    problem: str


class NewThen(Question):
    then: Then


@router.get("", response_model=ThenAnswer)
def show(request: Request, app: TheApp) -> Response:
    return fresh(request, _answer(app.machine.after_queue))


@router.put("")
def ask(asked: NewThen, app: TheApp) -> ThenAnswer:
    """Asks for a shutdown when the queue is done, this once; "nothing" revokes it."""
    return _answer(app.machine.after_queue_do(asked.then))


def _answer(after: AfterQueue) -> ThenAnswer:
    return ThenAnswer(then=after.then, seconds_left=after.seconds_left, problem=after.problem)
