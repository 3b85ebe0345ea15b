"""Fetching base models: looked at, agreed to, fetched in the background, stopped and gone on with."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from train_tools.model.download import Download, Offer
from train_tools.server.answers import Answer, Question, fresh
from train_tools.server.api.context import TheApp

router = APIRouter(prefix="/models/downloads", tags=["downloads"])


class Wish(Question):
    address: str
    folder: str | None = None
    """One of those that base models are looked for in; null is the outputs folder's own."""
    name: str | None = None
    """Instead of the one that the server gives it."""


class OfferAnswer(Answer):
    host: str
    sent_by: str
    name: str
    size_bytes: int
    folder: Path
    can_resume: bool
    here_bytes: int
    """Of this very file, from an earlier attempt."""
    free_bytes: int


class Agreement(Question):
    """What was looked at and agreed to: another size or sender is asked about anew."""

    address: str
    folder: str
    name: str
    size_bytes: int
    sent_by: str
    sha256: str = ""


class DownloadAnswer(Answer):
    id: int
    name: str
    host: str
    path: Path
    size_bytes: int
    done_bytes: int
    state: str
    """`running`, `stopped`, `failed`, `done`."""
    message: str


class DownloadList(Answer):
    downloads: tuple[DownloadAnswer, ...]


@router.get("", response_model=DownloadList)
def list_downloads(request: Request, app: TheApp) -> Response:
    return fresh(request, DownloadList(downloads=tuple(_download(each) for each in app.downloads.all())))


@router.post("/look")
def look(wish: Wish, app: TheApp) -> OfferAnswer:
    """What is offered at an address, and from whom. Next to nothing is fetched."""
    offer = app.downloads.look(wish.address, Path(wish.folder) if wish.folder else None, wish.name)
    return OfferAnswer(
        host=offer.host,
        sent_by=offer.sent_by,
        name=offer.name,
        size_bytes=offer.size_bytes,
        folder=offer.folder,
        can_resume=offer.can_resume,
        here_bytes=offer.here_bytes,
        free_bytes=offer.free_bytes,
    )


@router.post("", status_code=202)
def start(agreement: Agreement, app: TheApp) -> DownloadAnswer:
    """Fetches it in the background, from where an earlier attempt was stopped."""
    agreed = Offer(
        host="",
        sent_by=agreement.sent_by,
        name=agreement.name,
        size_bytes=agreement.size_bytes,
        folder=Path(agreement.folder),
        can_resume=False,
    )
    return _download(app.downloads.start(agreement.address, agreed, agreement.sha256))


@router.delete("/{download}")
def stop(download: int, app: TheApp) -> DownloadAnswer:
    """Stops one; what has come is kept."""
    return _download(app.downloads.stop(download))


def _download(download: Download) -> DownloadAnswer:
    return DownloadAnswer(
        id=download.id,
        name=download.name,
        host=download.host,
        path=download.target,
        size_bytes=download.size_bytes,
        done_bytes=download.done_bytes,
        state=download.state,
        message=download.message,
    )
