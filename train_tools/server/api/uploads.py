"""Files that a page sends into a version: announced, sent one by one, then imported as a job."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.concurrency import contextmanager_in_threadpool, run_in_threadpool
from pydantic import Field

from train_tools.server.answers import Answer, Question
from train_tools.server.api.context import TheApp
from train_tools.server.api.datasets import Problem
from train_tools.server.api.jobs import JobAnswer, job_answer

router = APIRouter(prefix="/projects/{project}/versions/{version}/dataset/uploads", tags=["datasets"])


class Announced(Question):
    name: str
    """With the folders that it lies in, as `10_cat/tom.png`."""
    size_bytes: int = Field(ge=0)


class Announcement(Question):
    files: tuple[Announced, ...]


class UploadAnswer(Answer):
    id: str
    left_out: tuple[Problem, ...]
    """What need not be sent, and why; the import's report will tell it, too."""


class WaitingUpload(Answer):
    id: str
    files: int
    size_bytes: int


class UploadList(Answer):
    uploads: tuple[WaitingUpload, ...]


class Encoding(Question):
    encoding: str | None = None
    """That of captions which are no Unicode; they become UTF-8."""


@router.get("")
def list_uploads(project: str, version: str, app: TheApp) -> UploadList:
    """Those that were begun and are not being imported."""
    found = app.inbox.waiting(project, version)
    return UploadList(
        uploads=tuple(
            WaitingUpload(id=each.upload.id, files=each.files, size_bytes=each.size_bytes) for each in found
        )
    )


@router.post("", status_code=201)
def begin(project: str, version: str, announced: Announcement, app: TheApp) -> UploadAnswer:
    """Begins an upload of files of these names."""
    upload = app.inbox.begin(project, version, [(each.name, each.size_bytes) for each in announced.files])
    left_out = tuple(Problem(source=each.source, reason=each.reason) for each in upload.left_out)
    return UploadAnswer(id=upload.id, left_out=left_out)


@router.put("/{upload}/files/{name:path}", status_code=204)
async def receive(project: str, version: str, upload: str, name: str, request: Request, app: TheApp) -> None:
    """Takes one file, the request's body; one of that name that came before is replaced."""
    receiving = app.inbox.receiving(project, version, upload, name)
    async with contextmanager_in_threadpool(receiving) as incoming:
        async for piece in request.stream():
            await run_in_threadpool(incoming.write, piece)


@router.post("/{upload}/import", status_code=202)
def take_in(project: str, version: str, upload: str, told: Encoding, app: TheApp) -> JobAnswer:
    """Queues the import of what has come; the upload is gone afterwards."""
    return job_answer(app.inbox.take_in(project, version, upload, told.encoding))


@router.delete("/{upload}", status_code=204)
def discard(project: str, version: str, upload: str, app: TheApp) -> None:
    app.inbox.discard(project, version, upload)
