"""Loss curves of trainings as they go; those of a whole grid are the scores' (`.../grids/{grid}/losses`)."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from train_tools.server.answers import Answer, fresh
from train_tools.server.api.context import TheApp
from train_tools.server.api.jobs import JobNumber

router = APIRouter(tags=["jobs"])


class JobCurve(Answer):
    run: str
    label: str
    points: tuple[tuple[float, float], ...]
    """(images seen, mean loss since the point before)."""


@router.get("/jobs/{id}/losses", response_model=JobCurve)
def losses(id: JobNumber, request: Request, app: TheApp) -> Response:
    """Of the run that a job trains, as far as it has come. 404 for a job that trains none."""
    curve = app.scores.curve(id)
    return fresh(request, JobCurve(run=curve.run, label=curve.label, points=curve.points))
