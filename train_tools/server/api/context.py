"""What every route is given: the `App`, and links to pictures below its outputs folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, Request

from train_tools.app import App
from train_tools.server.answers import Answer
from train_tools.server.security import API
from train_tools.server.thumbnails import edition


def _app(request: Request) -> App:
    app: App = request.app.state.app
    return app


TheApp = Annotated[App, Depends(_app)]


class PictureLinks(Answer):
    """Addresses that never show anything else: the picture's edition is part of them."""

    thumb: str
    full: str


def links_to(app: App, picture: Path) -> PictureLinks:
    """Raises NotFoundError when the picture is not there."""
    relative = quote(picture.relative_to(app.outputs.folder).as_posix(), errors="surrogateescape")
    version = edition(picture)
    return PictureLinks(
        thumb=f"{API}/thumbs/{relative}?v={version}", full=f"{API}/pictures/{relative}?v={version}"
    )
