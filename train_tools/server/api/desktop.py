"""Showing a folder in the file manager, for whoever sits before the machine that the service runs on."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from fastapi import APIRouter, Request

from train_tools.server.answers import Answer, Question
from train_tools.server.api.context import TheApp

router = APIRouter(prefix="/projects/{project}/versions/{version}", tags=["machine"])
FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")
"""What a proxy says of who asks through it."""


class PlaceQuestion(Question):
    what: str = ""
    """A run, or a checkpoint as `<run>/<name>`; empty = the version itself."""


class PlaceAnswer(Answer):
    path: Path
    """On the machine that the service runs on; to be copied where it was not shown."""
    shown: bool
    reason: str


@router.post("/show")
def show(project: str, version: str, asked: PlaceQuestion, request: Request, app: TheApp) -> PlaceAnswer:
    """Opens the file manager where the asker sits before this machine, else only tells the path."""
    told = app.desktop.show(project, version, asked.what, asker_is_here=_is_here(request))
    return PlaceAnswer(path=told.path, shown=told.shown, reason=told.reason)


def _is_here(request: Request) -> bool:
    if request.client is None or any(name in request.headers for name in FORWARDED):
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
