"""Thumbnails and whole pictures, by their path below the outputs folder; nothing else of it is served."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, Response

from train_tools.app import App
from train_tools.errors import NotFoundError
from train_tools.server.api.context import TheApp
from train_tools.server.thumbnails import Thumbnails, edition, media_type

IMMUTABLE = "private, max-age=31536000, immutable"

router = APIRouter(tags=["pictures"])


@router.get("/thumbs/{path:path}", response_class=Response)
def thumbnail(path: str, request: Request, app: TheApp, v: str = "") -> Response:
    """A WebP of at most 256 x 256 px."""
    picture = _picture(app, path)
    thumbnails: Thumbnails = request.app.state.thumbnails
    content = thumbnails.of(picture).read_bytes()  # at once: file responses change threads for each step
    return Response(content, media_type="image/webp", headers=_caching(picture, v))


@router.get("/pictures/{path:path}", response_class=FileResponse)
def picture(path: str, app: TheApp, v: str = "") -> Response:
    """The file as it is, when it is a PNG, JPEG or WebP."""
    found = _picture(app, path)
    return FileResponse(found, media_type=media_type(found), headers=_caching(found, v))


def _picture(app: App, path: str) -> Path:
    """Names that no file can have (a NUL, too long, a loop of links) are told like any other that isn't there."""
    try:
        return app.confined(app.outputs.folder / path)
    except (NotFoundError, OSError, ValueError, RuntimeError) as error:
        raise NotFoundError("There is no picture of this name; it may have been moved or deleted.") from error


def _caching(picture: Path, asked: str) -> dict[str, str]:
    """Only an address that names this edition of the picture may be kept for ever."""
    return {"cache-control": IMMUTABLE if asked == edition(picture) else "no-cache"}
