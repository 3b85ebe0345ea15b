"""What is decided once for the outputs folder. Secrets go in and never come out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from train_tools.app import App
from train_tools.model.settings import SettingKind
from train_tools.server.answers import Answer, Question, fresh
from train_tools.server.api.context import TheApp

router = APIRouter(prefix="/settings", tags=["settings"])


class SettingAnswer(Answer):
    key: str
    kind: SettingKind
    value: Any
    """Of a secret only what may be shown."""
    default: Any
    allowed: str
    choices: tuple[str, ...]
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


class NewKey(Question):
    key: str
    """Empty = none any more."""


class NewPassword(Question):
    password: str
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


@router.put("/caption-key")
def set_caption_key(new: NewKey, app: TheApp) -> SettingList:
    """Keeps the key for the program at `captions.endpoint`; it is sent to no other."""
    app.settings.set_caption_key(new.key)
    return _all(app)


@router.put("/webui-password")
def set_webui_password(new: NewPassword, app: TheApp) -> SettingList:
    """Keeps the password for the WebUI at `webui.url`; it is sent to no other."""
    app.settings.set_webui_password(new.password)
    return _all(app)


@router.post("/try-news")
def try_news(app: TheApp) -> Tried:
    """Sends a message by each way that is open, now and once."""
    return Tried(sentences=app.settings.try_news())


def _all(app: App) -> SettingList:
    return SettingList(
        settings=tuple(
            SettingAnswer(
                key=each.key,
                kind=each.kind,
                value=each.value,
                default=each.default,
                allowed=each.allowed,
                choices=each.choices,
                help=each.help,
            )
            for each in app.settings.all()
        ),
        unknown=app.settings.unknown,
    )
