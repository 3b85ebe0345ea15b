"""What is decided once for the outputs folder. Secrets go in and never come out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from train_tools.app import App
from train_tools.server.answers import Answer, Question, fresh
from train_tools.server.api.context import TheApp

router = APIRouter(prefix="/settings", tags=["settings"])


class SettingAnswer(Answer):
    key: str
    value: Any
    """Of the webhook's address only what may be shown."""
    default: Any
    allowed: str
    help: str


class SettingList(Answer):
    settings: tuple[SettingAnswer, ...]
    unknown: tuple[str, ...]
    """Keys in settings.toml that mean nothing to this version."""


class Changes(Question):
    values: Mapping[str, Any]
    """By key; what isn't named stays as it is."""


class NewWebhook(Question):
    address: str
    """Empty = none any more."""


class Tried(Answer):
    sentences: tuple[str, ...]
    """What came of each way that is open; none = none is."""


@router.get("", response_model=SettingList)
def show(request: Request, app: TheApp) -> Response:
    return fresh(request, _all(app))


@router.patch("")
def change(changes: Changes, app: TheApp) -> SettingList:
    """Sets all of these or none."""
    app.settings.change(changes.values)
    return _all(app)


@router.put("/webhook")
def set_webhook(webhook: NewWebhook, app: TheApp) -> SettingList:
    """Keeps the address of the webhook as a secret of this user on this machine."""
    app.settings.set_webhook(webhook.address)
    return _all(app)


@router.post("/try-news")
def try_news(app: TheApp) -> Tried:
    """Sends a message by each way that is open, now and once."""
    return Tried(sentences=app.settings.try_news())


def _all(app: App) -> SettingList:
    return SettingList(
        settings=tuple(
            SettingAnswer(
                key=each.key, value=each.value, default=each.default, allowed=each.allowed, help=each.help
            )
            for each in app.settings.all()
        ),
        unknown=app.settings.unknown,
    )
