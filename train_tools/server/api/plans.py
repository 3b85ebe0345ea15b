"""Plans: what a grid would do, and submitting it to the queue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from pydantic import Field

from train_tools.app import App
from train_tools.model.finding import Level
from train_tools.model.grid import Rules
from train_tools.model.plan import Plan, Turn
from train_tools.model.preflight import Preflight
from train_tools.server.answers import Answer, Question
from train_tools.server.api.context import TheApp

router = APIRouter(prefix="/projects/{project}/versions/{version}", tags=["plans"])


class RulesQuestion(Question):
    """What makes a grid less, or more, than the product of its axes."""

    zipped: tuple[tuple[str, ...], ...] = ()
    only_when: Mapping[str, str] = {}
    exclude: tuple[str, ...] = ()
    sample: int = Field(0, ge=0)
    sample_seed: int = 0
    seeds: int = Field(1, ge=1)
    other_seed: bool = False


class Assignments(Question):
    """Option names with what was typed: one value, several with commas, a range, a formula. What isn't named keeps
    its stored value; so do the rules, unless some are given."""

    assignments: Mapping[str, str] = {}
    extra: str = ""
    """Further options as a trainer's command line takes them."""
    rules: RulesQuestion | None = None
    grid: str | None = None
    """A grid's name: one that is there is taken up again, else it is given. Without one, one is made."""
    engine: str | None = None
    """The trainer; null = the stored one. What it does not take of the stored options is left out, as the notes
    say."""
    previews: bool | None = None
    """Whether the runs are rendered when they have ended; null = as the version says then."""

    def asked(self, app: App) -> dict[str, Any]:
        """What the plan, the count and the order are made from."""
        rules = Rules(**self.rules.model_dump()) if self.rules else None
        return {
            "assignments": {**self.assignments, **app.grids.assignments_in(self.extra)},
            "rules": rules,
            "grid": self.grid,
            "engine": self.engine,
        }


class Order(Assignments):
    sure: bool = False
    """Very many runs are queued only for those who are."""
    anyway: bool = False
    """Whether to queue what the pre-flight would stop."""
    priority: int = 0
    """Jobs of a higher one go first."""
    not_before: float | None = None
    """When they may start at the earliest, in seconds since the epoch."""
    stop_after_failures: int = Field(0, ge=0)
    """When so many runs have failed, those that still wait are taken out; 0 = never."""


class CountAnswer(Answer):
    runs: int
    exact: bool
    """False where excluded and equal runs are counted too: then there are at most so many."""


class PlannedRunAnswer(Answer):
    label: str
    steps: int
    epochs: int
    checkpoints: int
    done: bool


class PlanAnswer(Answer):
    engine: str
    runs: int
    """Runs that would be trained; `done` ones are not trained again."""
    done: int
    total: int
    """Runs of the whole grid; of a very large one, `planned` lists only some."""
    steps: int
    images: int
    pictures: int
    seconds: float | None
    seconds_from: str
    disk_bytes: int
    free_bytes: int
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    planned: tuple[PlannedRunAnswer, ...]


class FindingAnswer(Answer):
    check: str
    level: Level
    message: str
    cure: str
    runs: tuple[str, ...]
    """The runs that it is about; empty = all of them."""


class PreflightAnswer(Answer):
    level: Level
    """`stop` where nothing should be submitted as it is."""
    findings: tuple[FindingAnswer, ...]
    """Those that stop the grid first."""


class SubmissionAnswer(Answer):
    grid: str
    jobs: tuple[int, ...]
    already: tuple[str, ...]
    ahead: int
    preflight: PreflightAnswer


@router.post("/plan")
def plan(project: str, version: str, asked: Assignments, app: TheApp) -> PlanAnswer:
    """What the runs would cost. Changes nothing."""
    return _plan(app.grids.plan(project, version, **asked.asked(app), previews=asked.previews))


@router.post("/plan/count")
def count(project: str, version: str, asked: Assignments, app: TheApp) -> CountAnswer:
    """How many runs there would be: quick enough for every key that is typed."""
    counted = app.grids.count(project, version, **asked.asked(app))
    return CountAnswer(runs=counted.runs, exact=counted.exact)


@router.post("/preflight")
def preflight(project: str, version: str, asked: Assignments, app: TheApp) -> PreflightAnswer:
    """What would go wrong with the runs, or otherwise than was meant. Changes nothing."""
    return _preflight(app.grids.preflight(project, version, **asked.asked(app), previews=asked.previews))


@router.post("/runs", status_code=201)
def submit(project: str, version: str, order: Order, app: TheApp) -> SubmissionAnswer:
    """Queues the runs that are neither done nor queued already."""
    turn = Turn(
        priority=order.priority,
        not_before=order.not_before,
        stop_after_failures=order.stop_after_failures,
        previews=order.previews,
    )
    done = app.grids.submit(project, version, **order.asked(app), turn=turn, sure=order.sure, anyway=order.anyway)
    return SubmissionAnswer(
        grid=done.grid,
        jobs=done.jobs,
        already=done.already,
        ahead=done.ahead,
        preflight=_preflight(done.preflight),
    )


def _preflight(preflight: Preflight) -> PreflightAnswer:
    return PreflightAnswer(
        level=preflight.level,
        findings=tuple(
            FindingAnswer(
                check=finding.check,
                level=finding.level,
                message=finding.message,
                cure=finding.cure,
                runs=finding.runs,
            )
            for finding in preflight.findings
        ),
    )


def _plan(plan: Plan) -> PlanAnswer:
    return PlanAnswer(
        engine=plan.engine,
        runs=plan.runs_to_train,
        done=plan.total - plan.runs_to_train,
        total=plan.total,
        steps=plan.steps,
        images=plan.images,
        pictures=plan.pictures,
        seconds=plan.seconds,
        seconds_from=plan.seconds_from,
        disk_bytes=plan.disk_bytes,
        free_bytes=plan.free_bytes,
        notes=plan.notes,
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
