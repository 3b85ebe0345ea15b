"""Commands that plan grids and queue them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from train_tools.commands.border import AsJson, ProjectName, StartTime, VersionName, the_app, told
from train_tools.commands.queue import work_off

if TYPE_CHECKING:
    from train_tools.app import App
    from train_tools.model.grid import Rules
    from train_tools.model.plan import Submission

commands = typer.Typer()
BASE_MODEL = "pretrained_model_name_or_path"

Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUES",
        help="An option and its values: network_dim=8,16 or network_dim=8:64:*2 or unet_lr=1e-5:1e-4:log3; "
        "'text_encoder_lr==unet_lr/2' computes it.",
    ),
]
Extra = Annotated[
    str | None,
    typer.Option(
        "--extra", metavar="TEXT", help="More options, as sd-scripts takes them: '--name=values --flag'."
    ),
]
BaseModel = Annotated[
    str | None,
    typer.Option("--base-model", metavar="FILE", help=f"Sets {BASE_MODEL}."),
]
Zipped = Annotated[
    list[str] | None,
    typer.Option("--zip", metavar="KEY,KEY", help="Options whose values go together, first with first."),
]
OnlyWhen = Annotated[
    list[str] | None,
    typer.Option(
        "--when",
        metavar="KEY:CONDITION",
        help="Sets an option only where a condition holds: 'lr_scheduler_power:lr_scheduler=polynomial'.",
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option("--exclude", metavar="CONDITION", help="Leaves runs out: 'network_dim>=64 and unet_lr=1e-3'."),
]
Sample = Annotated[int | None, typer.Option("--random", metavar="N", help="Draws N of the runs by chance.")]
SampleSeed = Annotated[int | None, typer.Option("--random-seed", help="Seed of that draw.")]
Seeds = Annotated[int | None, typer.Option("--seeds", metavar="N", help="Repeats each run with N seeds in a row.")]
OtherSeed = Annotated[
    bool, typer.Option("--other-seed", help="Adds the first run with another seed, to see what chance does.")
]
NoRules = Annotated[bool, typer.Option("--no-rules", help="Forgets --zip, --when ... of the last time.")]
Existing = Annotated[
    str | None,
    typer.Option("--grid", metavar="NAME", help="A grid's name; one that is there is taken up again."),
]
Trainer = Annotated[
    str | None,
    typer.Option("--engine", metavar="NAME", help="The trainer; without it, the one of the last time."),
]
RenderedAfter = Annotated[
    bool | None,
    typer.Option("--previews/--no-previews", help="Render the runs afterwards; without it, as the version says."),
]


@commands.command()
@told
def plan(
    project: ProjectName,
    version: VersionName,
    settings: Settings = None,
    extra: Extra = None,
    base_model: BaseModel = None,
    zipped: Zipped = None,
    only_when: OnlyWhen = None,
    exclude: Exclude = None,
    sample: Sample = None,
    sample_seed: SampleSeed = None,
    seeds: Seeds = None,
    other_seed: OtherSeed = False,
    no_rules: NoRules = False,
    grid: Existing = None,
    engine: Trainer = None,
    rendered: RenderedAfter = None,
    as_json: AsJson = False,
) -> None:
    """Say what a grid would do: its runs, steps, time and disk. Nothing is started."""
    from train_tools.model.draft import Draft
    from train_tools.terminal import plan_object, print_json, print_plan

    app = the_app()
    rules = _rules(zipped, only_when, exclude, sample, sample_seed, seeds, other_seed, no_rules)
    planned = app.grids.plan(
        project,
        version,
        Draft(
            assignments=_assignments(app, settings, extra, base_model),
            rules=rules,
            grid=grid,
            engine=engine,
            previews=rendered,
        ),
    )
    if as_json:
        print_json(plan_object(planned))
    else:
        print_plan(planned)


@commands.command()
@told
def preflight(
    project: ProjectName,
    version: VersionName,
    settings: Settings = None,
    extra: Extra = None,
    base_model: BaseModel = None,
    zipped: Zipped = None,
    only_when: OnlyWhen = None,
    exclude: Exclude = None,
    sample: Sample = None,
    sample_seed: SampleSeed = None,
    seeds: Seeds = None,
    other_seed: OtherSeed = False,
    no_rules: NoRules = False,
    grid: Existing = None,
    engine: Trainer = None,
    rendered: RenderedAfter = None,
    probing: Annotated[
        bool, typer.Option("--probe", help="Also try a few real steps of the run that takes most memory.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what would go wrong with a grid, or otherwise than it was meant. Nothing is started."""
    from train_tools.model.draft import Draft
    from train_tools.terminal import preflight_object, print_json, print_preflight

    app = the_app()
    rules = _rules(zipped, only_when, exclude, sample, sample_seed, seeds, other_seed, no_rules)
    draft = Draft(
        assignments=_assignments(app, settings, extra, base_model),
        rules=rules,
        grid=grid,
        engine=engine,
        previews=rendered,
    )
    looked = app.grids.preflight(project, version, draft, probing=probing)
    if as_json:
        print_json(preflight_object(looked))
    else:
        print_preflight(looked)
    if looked.stops:
        raise typer.Exit(1)


@commands.command()
@told
def submit(
    project: ProjectName,
    version: VersionName,
    settings: Settings = None,
    extra: Extra = None,
    base_model: BaseModel = None,
    zipped: Zipped = None,
    only_when: OnlyWhen = None,
    exclude: Exclude = None,
    sample: Sample = None,
    sample_seed: SampleSeed = None,
    seeds: Seeds = None,
    other_seed: OtherSeed = False,
    no_rules: NoRules = False,
    grid: Existing = None,
    engine: Trainer = None,
    rendered: RenderedAfter = None,
    priority: Annotated[int, typer.Option(help="Jobs of a higher one go first.")] = 0,
    at: StartTime = None,
    stop_after: Annotated[
        int, typer.Option("--stop-after", metavar="N", min=0, help="Takes the rest out when N runs have failed.")
    ] = 0,
    yes: Annotated[bool, typer.Option("--yes", help="Queues very many runs without asking.")] = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Queues them although the pre-flight would stop them.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Work until they and their previews are done.")] = False,
    as_json: AsJson = False,
) -> None:
    """Queue the runs of a grid that are not done yet."""
    from train_tools.commands.moments import moment
    from train_tools.model.draft import Draft
    from train_tools.model.plan import Turn
    from train_tools.terminal import print_concerns, print_json, print_plan, print_submission, say

    app = the_app()
    not_before = moment(at, datetime.now()) if at else None
    turn = Turn(priority=priority, not_before=not_before, stop_after_failures=stop_after)
    rules = _rules(zipped, only_when, exclude, sample, sample_seed, seeds, other_seed, no_rules)
    draft = Draft(
        assignments=_assignments(app, settings, extra, base_model),
        rules=rules,
        grid=grid,
        engine=engine,
        previews=rendered,
    )
    if not as_json:
        print_plan(app.grids.plan(project, version, draft))
    submission = app.grids.submit(project, version, draft, turn=turn, sure=yes, anyway=anyway)
    if not as_json:
        print_concerns(submission.preflight)
        print_submission(submission)
    failed = False
    if wait:
        failed = work_off(app, project, version, submission.grid, as_json)
    elif submission.jobs and not as_json:
        say("`train-tools work` trains them now; the page's service does so by itself.")
    if as_json:
        print_json({**submission_object(submission), "failed": failed})
    elif wait:
        show_result(app, project, version, submission.grid)
    if failed:
        raise typer.Exit(1)


def _assignments(
    app: App, settings: Sequence[str] | None, extra: str | None, base_model: str | None
) -> Mapping[str, str]:
    """Expressions by option name. Raises OptionValueError where the `=` is missing or an option comes twice."""
    assignments = {**app.grids.assignments_of(settings or ()), **app.grids.assignments_in(extra or "")}
    if base_model is not None:
        quoted = base_model.replace('"', '""')
        assignments[BASE_MODEL] = f'"{quoted}"'
    return assignments


def _rules(
    zipped: Sequence[str] | None,
    only_when: Sequence[str] | None,
    exclude: Sequence[str] | None,
    sample: int | None,
    sample_seed: int | None,
    seeds: int | None,
    other_seed: bool,
    no_rules: bool,
) -> Rules | None:
    """The rules that were given; None leaves those of the last time."""
    from train_tools.errors import OptionValueError
    from train_tools.model.grid import Rules

    given: dict[str, Any] = {
        "zipped": tuple(tuple(name.strip() for name in group.split(",")) for group in zipped or ()),
        "only_when": dict(_condition(text) for text in only_when or ()),
        "exclude": tuple(exclude or ()),
        "sample": sample,
        "sample_seed": sample_seed,
        "seeds": seeds,
        "other_seed": other_seed or None,
    }
    for name, least in (("sample", 1), ("seeds", 1)):
        if given[name] is not None and given[name] < least:
            raise OptionValueError(f"{name} = {given[name]}: {least} or more is wanted.")
    chosen = {name: value for name, value in given.items() if value is not None and value != () and value != {}}
    return replace(Rules(), **chosen) if chosen or no_rules else None


def _condition(text: str) -> tuple[str, str]:
    from train_tools.errors import OptionValueError

    name, colon, condition = text.partition(":")
    if not colon or not name.strip() or not condition.strip():
        raise OptionValueError(
            f"--when {text!r}: an option, a colon and a condition are wanted, as in "
            "lr_scheduler_power:lr_scheduler=polynomial."
        )
    return name.strip(), condition.strip()


def show_result(app: App, project: str, version: str, grid: str) -> None:
    from train_tools.terminal import say

    found = app.runs.checkpoints(project, version)
    say(f"{len(found)} checkpoints in {app.store.open_version(project, version).paths.trains}")
    image = app.previews.matrix_image(project, version, grid)
    if image is not None:
        say(f"Look at the matrix: {image}", "bold")


def submission_object(submission: Submission) -> dict[str, Any]:
    from train_tools.terminal import preflight_object

    return {
        "grid": submission.grid,
        "jobs": submission.jobs,
        "already": submission.already,
        "preflight": preflight_object(submission.preflight),
    }
