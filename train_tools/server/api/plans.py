"""Plans: what a grid would do, and submitting it to the queue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from fastapi import APIRouter
from pydantic import Field

from train_tools.app import App
from train_tools.model.draft import Draft
from train_tools.model.finding import Level
from train_tools.model.grid import Rules
from train_tools.model.plan import Plan, Turn
from train_tools.model.preflight import Preflight
from train_tools.server.answers import Answer, Question
from train_tools.server.api.context import TheApp

router = APIRouter(prefix="/projects/{project}/versions/{version}", tags=["plans"])
MOST_SHOWN = 60
"""Values of an axis that a form has room for."""


class RulesQuestion(Question):
    """What makes a grid less, or more, than the product of its axes."""

    zipped: tuple[tuple[str, ...], ...] = ()
    only_when: Mapping[str, str] = {}
    exclude: tuple[str, ...] = ()
    sample: int = Field(0, ge=0)
    sample_seed: int = 0
    seeds: int = Field(1, ge=1)
    other_seed: bool = False
    left_out: tuple[str, ...] = ()
    """Single runs that were unticked, each by its label."""

    def rules(self) -> Rules:
        return Rules(**self.model_dump())


class Assignments(Question):
    """Option names with what was typed: one value, several with commas, a range, a formula. What isn't named keeps
    its stored value; so do the rules, unless some are given."""

    assignments: Mapping[str, str] = {}
    unset: tuple[str, ...] = ()
    """Options that go back to the trainer's defaults."""
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

    def draft(self, app: App) -> Draft:
        """What the plan, the count and the order are made from."""
        return Draft(
            assignments={**self.assignments, **app.grids.assignments_in(self.extra)},
            unset=self.unset,
            rules=self.rules.rules() if self.rules else None,
            grid=self.grid,
            engine=self.engine,
            previews=self.previews,
        )


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


class FaultAnswer(Answer):
    option: str
    """Whose text it is about; empty = it is the rules', or that of several options together."""
    message: str


class AxisAnswer(Answer):
    values: tuple[str, ...]
    """As one would type them; of very many the first."""
    total: int


class CountAnswer(Answer):
    runs: int | None
    """null as long as something that was typed can't be used."""
    exact: bool
    """False where excluded and equal runs are counted too: then there are at most so many."""
    axes: Mapping[str, AxisAnswer]
    """What was understood of options that take several values."""
    faults: tuple[FaultAnswer, ...]
    """All that can't be used."""
    notes: tuple[str, ...]
    """What was understood in another way than it was typed."""


class PlannedRunAnswer(Answer):
    name: str
    label: str
    steps: int
    """Moves of the optimizer."""
    epochs: int
    checkpoints: int
    images_per_step: int
    """That each of these learns from: the batch, times the batches that share one."""
    views: float
    """How often each training image is seen."""
    done: bool
    left_out: bool
    """It was unticked (`rules.left_out` has its label)."""


class MemoryAnswer(Answer):
    device: str
    bytes: int
    """What the hungriest run takes, estimated."""
    free_bytes: int
    total_bytes: int
    rough: bool
    """A rule of thumb only."""


class PlanAnswer(Answer):
    engine: str
    runs: int
    """Runs that would be trained; `done` ones are not trained again."""
    done: int
    left_out: int
    """Neither done nor wanted."""
    total: int
    """Runs of the whole grid; of a very large one, `planned` lists only some."""
    steps: int
    images: int
    pictures: int
    seconds: float | None
    seconds_from: str
    disk_bytes: int
    free_bytes: int
    memory: MemoryAnswer | None
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
    return _plan(app.grids.plan(project, version, asked.draft(app)))


@router.post("/plan/count")
def count(project: str, version: str, asked: Assignments, app: TheApp) -> CountAnswer:
    """How many runs there would be, what is understood of what was typed, and what is not: quick enough for every
    key."""
    understood = app.grids.understood(project, version, asked.draft(app))
    return CountAnswer(
        runs=understood.runs,
        exact=understood.exact,
        axes={
            name: AxisAnswer(values=values[:MOST_SHOWN], total=len(values))
            for name, values in understood.axes.items()
        },
        faults=tuple(FaultAnswer(option=fault.option, message=fault.message) for fault in understood.faults),
        notes=understood.notes,
    )


@router.post("/preflight")
def preflight(project: str, version: str, asked: Assignments, app: TheApp) -> PreflightAnswer:
    """What would go wrong with the runs, or otherwise than was meant. Changes nothing."""
    return _preflight(app.grids.preflight(project, version, asked.draft(app)))


@router.post("/runs", status_code=201)
def submit(project: str, version: str, order: Order, app: TheApp) -> SubmissionAnswer:
    """Queues the runs that are neither done nor queued already."""
    turn = Turn(
        priority=order.priority,
        not_before=order.not_before,
        stop_after_failures=order.stop_after_failures,
    )
    done = app.grids.submit(project, version, order.draft(app), turn=turn, sure=order.sure, anyway=order.anyway)
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
    left_out = sum(entry.left_out and not entry.done for entry in plan.runs)
    return PlanAnswer(
        engine=plan.engine,
        runs=plan.runs_to_train,
        done=plan.total - plan.runs_to_train - left_out,
        left_out=left_out,
        total=plan.total,
        steps=plan.steps,
        images=plan.images,
        pictures=plan.pictures,
        seconds=plan.seconds,
        seconds_from=plan.seconds_from,
        disk_bytes=plan.disk_bytes,
        free_bytes=plan.free_bytes,
        memory=MemoryAnswer(**asdict(plan.memory)) if plan.memory else None,
        notes=plan.notes,
        warnings=plan.warnings,
        planned=tuple(
            PlannedRunAnswer(
                name=entry.run.name,
                label=entry.run.label,
                steps=entry.steps,
                epochs=entry.epochs,
                checkpoints=entry.checkpoints,
                images_per_step=entry.images_per_step,
                views=round(entry.views, 2),
                done=entry.done,
                left_out=entry.left_out,
            )
            for entry in plan.runs
        ),
    )
