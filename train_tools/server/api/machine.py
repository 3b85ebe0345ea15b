"""The machine: how busy it is, and what becomes of it when the queue is done."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from train_tools.model.machine import AfterQueue, Load, Share, Then
from train_tools.server.answers import Answer, Question, fresh
from train_tools.server.api.context import TheApp

router = APIRouter(tags=["machine"])
THEN = "/queue/then"


class ThenAnswer(Answer):
    then: Then
    seconds_left: int | None
    """Until the machine is shut down, which may be revoked so long; None = not before the queue is done."""
    problem: str


class NewThen(Question):
    then: Then


class ShareAnswer(Answer):
    used_bytes: int
    total_bytes: int


class CardAnswer(Answer):
    name: str
    busy: float | None
    """0..1; null when the card does not tell."""
    memory: ShareAnswer
    degrees_c: float | None


class LoadAnswer(Answer):
    processors: float
    """0..1 of all together."""
    memory: ShareAnswer
    disk: ShareAnswer
    cards: tuple[CardAnswer, ...]


@router.get("/machine/load")
def load(app: TheApp) -> LoadAnswer:
    """How busy this machine is now."""
    return _load(app.machine.load)


@router.get(THEN, response_model=ThenAnswer)
def show(request: Request, app: TheApp) -> Response:
    return fresh(request, _answer(app.machine.after_queue))


@router.put(THEN)
def ask(asked: NewThen, app: TheApp) -> ThenAnswer:
    """Asks for a shutdown when the queue is done, this once; "nothing" revokes it."""
    return _answer(app.machine.after_queue_do(asked.then))


def _answer(after: AfterQueue) -> ThenAnswer:
    return ThenAnswer(then=after.then, seconds_left=after.seconds_left, problem=after.problem)


def _load(load: Load) -> LoadAnswer:
    return LoadAnswer(
        processors=round(load.processors, 3),
        memory=_share(load.memory),
        disk=_share(load.disk),
        cards=tuple(
            CardAnswer(name=card.name, busy=card.busy, memory=_share(card.memory), degrees_c=card.degrees_c)
            for card in load.cards
        ),
    )


def _share(share: Share) -> ShareAnswer:
    return ShareAnswer(used_bytes=share.used_bytes, total_bytes=share.total_bytes)
