"""The checkpoints of a version: the files that people keep."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from train_tools.server.answers import Answer, fresh
from train_tools.server.api.context import TheApp

router = APIRouter(prefix="/projects/{project}/versions/{version}/checkpoints", tags=["checkpoints"])


class CheckpointAnswer(Answer):
    run: str
    name: str
    path: Path
    """Absolute."""
    size_bytes: int
    modified: float
    epoch: int
    step: int
    final: bool


class CheckpointList(Answer):
    checkpoints: tuple[CheckpointAnswer, ...]


@router.get("", response_model=CheckpointList)
def list_checkpoints(project: str, version: str, request: Request, app: TheApp) -> Response:
    found = tuple(
        CheckpointAnswer(
            run=each.run,
            name=each.name,
            path=each.path,
            size_bytes=each.size_bytes,
            modified=each.modified,
            epoch=each.epoch,
            step=each.step,
            final=each.final,
        )
        for each in app.runs.checkpoints(project, version)
    )
    return fresh(request, CheckpointList(checkpoints=found))
