"""Plans: what a grid would do, and submitting it to the queue."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter

from train_tools.model.plan import Plan
from train_tools.server.answers import Answer, Question
from train_tools.server.api.context import TheApp

router = APIRouter(prefix="/projects/{project}/versions/{version}", tags=["plans"])


class Assignments(Question):
    """Option names with what was typed: one value, or several with commas. What isn't named keeps
    its stored value."""

    assignments: Mapping[str, str] = {}


class Order(Assignments):
    grid: str | None = None
    """The grid's name; without one, one is made."""


class PlannedRunAnswer(Answer):
    label: str
    steps: int
    epochs: int
    checkpoints: int
    done: bool


class PlanAnswer(Answer):
    runs: int
    """Runs that would be trained; `done` ones are not trained again."""
    done: int
    steps: int
    images: int
    pictures: int
    seconds: float | None
    seconds_from: str
    disk_bytes: int
    free_bytes: int
    warnings: tuple[str, ...]
    planned: tuple[PlannedRunAnswer, ...]


class SubmissionAnswer(Answer):
    grid: str
    jobs: tuple[int, ...]
    already: tuple[str, ...]
    ahead: int


@router.post("/plan")
def plan(project: str, version: str, asked: Assignments, app: TheApp) -> PlanAnswer:
    """What the runs would cost. Changes nothing."""
    return _plan(app.grids.plan(project, version, asked.assignments))


@router.post("/runs", status_code=201)
def submit(project: str, version: str, order: Order, app: TheApp) -> SubmissionAnswer:
    """Queues the runs that are neither done nor queued already."""
    done = app.grids.submit(project, version, order.assignments, order.grid)
    return SubmissionAnswer(grid=done.grid, jobs=done.jobs, already=done.already, ahead=done.ahead)


def _plan(plan: Plan) -> PlanAnswer:
    return PlanAnswer(
        runs=len(plan.to_train),
        done=len(plan.runs) - len(plan.to_train),
        steps=plan.steps,
        images=plan.images,
        pictures=plan.pictures,
        seconds=plan.seconds,
        seconds_from=plan.seconds_from,
        disk_bytes=plan.disk_bytes,
        free_bytes=plan.free_bytes,
        warnings=plan.warnings,
        planned=tuple(
            PlannedRunAnswer(
                label=entry.run.label,
                steps=entry.steps,
                epochs=entry.epochs,
                checkpoints=entry.checkpoints,
                done=entry.done,
            )
            for entry in plan.runs
        ),
    )
