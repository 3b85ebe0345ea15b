"""Images of a pair that a page sends for the options `original_image` and `target_image`."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool

from train_tools.errors import DatasetNotUsableError
from train_tools.server.answers import Answer
from train_tools.server.api.context import TheApp

MOST_BYTES = 256 * 1024**2

router = APIRouter(prefix="/projects/{project}/versions/{version}/dataset/pair", tags=["datasets"])


class KeptImage(Answer):
    path: str
    """Below the version's folder, as the options take it."""


@router.put("/{name}")
async def keep(project: str, version: str, name: str, request: Request, app: TheApp) -> KeptImage:
    """Keeps one image, the request's body; `name` is what its file is called."""
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > MOST_BYTES:
            raise DatasetNotUsableError(f"An image of more than {MOST_BYTES // 1024**2} MB is not taken.")
    return KeptImage(
        path=await run_in_threadpool(app.inbox.keep_pair_image, project, version, name, bytes(content))
    )
