"""`train-tools`: every action without a browser. Each command parses its words, calls one or two `App` methods and
prints; heavy imports wait until a command runs."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from train_tools import __version__
from train_tools.commands import machine, queue, settings
from train_tools.commands.border import AsJson, ProjectName, VersionName, choose_outputs, told
from train_tools.commands.border import the_app as _app
from train_tools.commands.queue import work_off

if TYPE_CHECKING:
    from train_tools.app import App
    from train_tools.model.plan import Submission
    from train_tools.model.preview import PreviewSettings

commands = typer.Typer(
    name="train-tools",
    help="Train LoRAs overnight: a grid of settings, a durable queue, a matrix of previews.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
projects = typer.Typer(help="Make, list, rename and put away projects.", no_args_is_help=True)
versions = typer.Typer(help="Make and list the versions of a project.", no_args_is_help=True)
datasets = typer.Typer(help="Bring pictures into a version.", no_args_is_help=True)
commands.add_typer(queue.commands)
commands.add_typer(machine.commands)
commands.add_typer(settings.commands)
commands.add_typer(projects, name="project")
commands.add_typer(versions, name="version")
commands.add_typer(datasets, name="dataset")

Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUES",
        help="An engine option; several values with commas make an axis of the grid, as in network_dim=8,16.",
    ),
]
BaseModel = Annotated[
    str | None,
    typer.Option("--base-model", metavar="FILE", help="Sets pretrained_model_name_or_path."),
]
GridName = Annotated[str | None, typer.Option("--grid", help="Name of the grid; without it, the newest.")]

N = TypeVar("N", int, float)


@commands.callback(invoke_without_command=True)
def _outputs(
    context: typer.Context,
    outputs: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The outputs folder; everything lies in its train_tools/. Also TRAIN_TOOLS_OUTPUTS.",
        ),
    ] = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    choose_outputs(outputs)
    if version:
        typer.echo(__version__)
        raise typer.Exit


@commands.command()
@told
def demo(
    plan_only: Annotated[bool, typer.Option("--plan", help="Only say what it would do.")] = False,
) -> None:
    """The whole way in some minutes, without a GPU: trains a small grid and shows its preview matrix."""
    from train_tools.terminal import counting, print_plan, print_submission, say

    started = time.monotonic()
    app = _app()
    with counting("Preparing the demo pictures") as progress:
        prepared = app.prepare_demo(progress)
    plan = app.grids.plan(prepared.project, prepared.version)
    say(f"Demo: teach the base model a new thing, the {prepared.project}, with {len(plan.runs)} settings.")
    print_plan(plan)
    if plan_only:
        return
    submission = app.grids.submit(prepared.project, prepared.version)
    print_submission(submission)
    failed = work_off(app, prepared.project, prepared.version, submission.grid)
    _show_result(app, prepared.project, prepared.version, submission.grid)
    say(f"It took {time.monotonic() - started:.0f} s. `train-tools serve` shows all of it in the browser.")
    if failed:
        raise typer.Exit(1)


@projects.command("create")
@told
def create_project(name: ProjectName, as_json: AsJson = False) -> None:
    """Make a project. Its name is the LoRA's name."""
    from train_tools.terminal import print_json, say

    project = _app().create_project(name)
    if as_json:
        print_json({"name": project.name, "folder": project.paths.folder})
    else:
        say(f'Project "{project.name}" is made. Next: train-tools version create "{project.name}" v1')


@projects.command("list")
@told
def list_projects(as_json: AsJson = False) -> None:
    """All projects, newest first."""
    from train_tools.terminal import print_json, print_table, say

    found = _app().store.list()
    if as_json:
        print_json(
            [
                {
                    "name": project.name,
                    "created": project.created,
                    "versions": project.versions,
                    "notes": project.notes,
                    "problem": project.problem,
                    "folder": project.paths.folder,
                }
                for project in found
            ]
        )
    elif not found:
        say("No projects yet. Make one with `train-tools project create NAME`, or try `train-tools demo`.")
    else:
        print_table(
            ("project", "versions", "made", ""),
            [
                (
                    project.name,
                    ", ".join(project.versions),
                    project.created.astimezone().strftime("%Y-%m-%d %H:%M"),
                    project.problem or project.notes,
                )
                for project in found
            ],
        )


@projects.command("rename")
@told
def rename_project(name: ProjectName, new_name: Annotated[str, typer.Argument(metavar="NEW")]) -> None:
    """Give a project another name."""
    from train_tools.terminal import say

    say(f'It is called "{_app().store.rename(name, new_name).name}" now.')


@projects.command("notes")
@told
def note_project(name: ProjectName, text: Annotated[str, typer.Argument()]) -> None:
    """Write down what should be remembered about a project."""
    _app().store.set_notes(name, text)


@projects.command("trash")
@told
def trash_project(name: ProjectName) -> None:
    """Put a project away; `train-tools project restore TOKEN` brings it back."""
    from train_tools.terminal import say, size_text

    trashed = _app().store.trash(name)
    say(f"Put away: {trashed.what}, {size_text(trashed.size_bytes)}.")
    say(f"Undo: train-tools project restore {trashed.token}")


@projects.command("restore")
@told
def restore_project(token: Annotated[str, typer.Argument(metavar="TOKEN")]) -> None:
    """Bring back what was put away."""
    from train_tools.terminal import say

    say(f'"{_app().store.restore(token).name}" is back.')


@projects.command("export")
@told
def export_project(name: ProjectName, file: Annotated[Path, typer.Argument(metavar="FILE.zip")]) -> None:
    """Pack a project into a zip file."""
    from train_tools.terminal import counting, say

    with counting("Packing") as progress:
        target = _app().store.export(name, file, progress=progress)
    say(f"Written: {target}")


@versions.command("create")
@told
def create_version(project: ProjectName, version: VersionName = "v1", as_json: AsJson = False) -> None:
    """Make a version of a project: one state of the dataset and the runs made from it."""
    from train_tools.terminal import print_json, say

    made = _app().create_version(project, version)
    if as_json:
        print_json({"project": made.project, "name": made.name, "folder": made.paths.folder})
    else:
        say(f'Version "{made.name}" is made. Next: train-tools dataset import "{project}" "{made.name}" PATH')


@versions.command("list")
@told
def list_versions(project: ProjectName, as_json: AsJson = False) -> None:
    """The versions of a project, newest first."""
    from train_tools.terminal import print_json, print_table

    found = _app().store.versions(project)
    if as_json:
        print_json(
            [
                {
                    "name": version.name,
                    "created": version.created,
                    "notes": version.notes,
                    "legacy": version.legacy,
                    "problem": version.problem,
                    "folder": version.paths.folder,
                }
                for version in found
            ]
        )
    else:
        print_table(("version", "notes"), [(version.name, version.problem or version.notes) for version in found])


@versions.command("duplicate")
@told
def duplicate_version(
    project: ProjectName, version: VersionName, new_name: Annotated[str, typer.Argument(metavar="NEW")]
) -> None:
    """Copy a version's dataset and settings, not its runs."""
    from train_tools.terminal import say

    say(f'Version "{_app().store.duplicate_version(project, version, new_name).name}" is made.')


@versions.command("trash")
@told
def trash_version(project: ProjectName, version: VersionName) -> None:
    """Put a version away; `train-tools project restore TOKEN` brings it back."""
    from train_tools.terminal import say, size_text

    trashed = _app().store.trash_version(project, version)
    say(f"Put away: {trashed.what}, {size_text(trashed.size_bytes)}.")
    say(f"Undo: train-tools project restore {trashed.token}")


@datasets.command("import")
@told
def import_dataset(
    project: ProjectName,
    version: VersionName,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Pictures or folders of them.")],
    width: Annotated[int | None, typer.Option(help="Width of the training images in pixels.")] = None,
    height: Annotated[int | None, typer.Option(help="Height of the training images in pixels.")] = None,
    repeats: Annotated[int | None, typer.Option(help="Draws of an image an epoch; -1 = automatic.")] = None,
    mirrored: Annotated[
        bool | None, typer.Option("--mirrored/--not-mirrored", help="Add a mirrored copy of each.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Copy pictures and their captions in, and make the training images from them. Originals stay as they are."""
    from train_tools.terminal import counting, print_json, say

    app = _app()
    given = {"width_px": width, "height_px": height, "repeats": repeats, "mirrored_copies": mirrored}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if changes:
        preparation = app.versions.settings(project, version).preparation
        app.versions.change_preparation(project, version, replace(preparation, **changes))
    with counting("Importing") as progress:
        imported = app.versions.import_images(project, version, paths, progress)
    with counting("Preparing") as progress:
        prepared = app.versions.prepare(project, version, progress)
    if as_json:
        print_json({"import": imported, "preparation": prepared})
        return
    for rejected in (*imported.rejected, *prepared.skipped):
        say(f"Left out: {rejected.source}: {rejected.reason}", "yellow")
    say(
        f"{imported.images} pictures and {imported.captions} captions are new"
        + (f", {len(imported.already_there)} were there already" if imported.already_there else "")
        + f". Training images: {prepared.images}, each drawn {prepared.repeats} times an epoch."
    )
    say(f"Tag editors can open: {prepared.folder}")


@commands.command()
@told
def plan(
    project: ProjectName,
    version: VersionName,
    settings: Settings = None,
    base_model: BaseModel = None,
    as_json: AsJson = False,
) -> None:
    """Say what a grid would do: its runs, steps, time and disk. Nothing is started."""
    from train_tools.terminal import plan_object, print_json, print_plan

    planned = _app().grids.plan(project, version, _assignments(settings, base_model))
    if as_json:
        print_json(plan_object(planned))
    else:
        print_plan(planned)


@commands.command()
@told
def submit(
    project: ProjectName,
    version: VersionName,
    settings: Settings = None,
    base_model: BaseModel = None,
    grid: Annotated[str | None, typer.Option("--grid", help="A name for the grid.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Work until they and their previews are done.")] = False,
    as_json: AsJson = False,
) -> None:
    """Queue the runs of a grid that are not done yet."""
    from train_tools.terminal import print_json, print_plan, print_submission, say

    app = _app()
    assignments = _assignments(settings, base_model)
    if not as_json:
        print_plan(app.grids.plan(project, version, assignments))
    submission = app.grids.submit(project, version, assignments, grid)
    if not as_json:
        print_submission(submission)
    failed = False
    if wait:
        failed = work_off(app, project, version, submission.grid, as_json)
    elif submission.jobs and not as_json:
        say("`train-tools work` trains them now; the page's service does so by itself.")
    if as_json:
        print_json({**_submission_object(submission), "failed": failed})
    elif wait:
        _show_result(app, project, version, submission.grid)
    if failed:
        raise typer.Exit(1)


@commands.command()
@told
def preview(
    project: ProjectName,
    version: VersionName,
    grid: GridName = None,
    prompt: Annotated[list[str] | None, typer.Option(help="What to render; may be given several times.")] = None,
    negative: Annotated[str | None, typer.Option(help="What to keep out.")] = None,
    weights: Annotated[str | None, typer.Option(help="LoRA weights, as in 0.5,0.8,1")] = None,
    seeds: Annotated[str | None, typer.Option(help="Seeds, as in 1,2,3")] = None,
    size: Annotated[str | None, typer.Option(help="Width and height in pixels, as in 512,768")] = None,
    steps: Annotated[int | None, typer.Option(help="Sampling steps.")] = None,
    guidance: Annotated[float | None, typer.Option(help="CFG scale.")] = None,
    sampler: Annotated[str | None, typer.Option(help="ddim, euler, euler_a or dpmpp_2m")] = None,
    wait: Annotated[bool, typer.Option("--wait/--queue", help="Render now, or only queue it.")] = True,
    as_json: AsJson = False,
) -> None:
    """Render the missing pictures of a grid's matrix and draw it. The settings are kept for the next time."""
    from train_tools.errors import OptionValueError
    from train_tools.terminal import print_json, print_submission

    changes: dict[str, Any] = {
        "prompts": tuple(prompt) if prompt else None,
        "negative_prompt": negative,
        "weights": _numbers("--weights", weights, float),
        "seeds": _numbers("--seeds", seeds, int),
        "steps": steps,
        "guidance": guidance,
        "sampler": sampler,
    }
    sides = _numbers("--size", size, int)
    if sides and len(sides) > 2:
        raise OptionValueError(f"--size {size}: a width and a height are wanted, as in 512,768.")
    if sides:
        changes |= {"width_px": sides[0], "height_px": sides[-1]}

    def changed(settings: PreviewSettings) -> PreviewSettings:
        return replace(settings, **{name: value for name, value in changes.items() if value is not None})

    app = _app()
    submission = app.previews.render(project, version, grid, changed)
    failed = work_off(app, project, version, submission.grid, as_json) if wait else False
    if as_json:
        image = app.previews.matrix_image(project, version, submission.grid)
        print_json({**_submission_object(submission), "failed": failed, "matrix": image})
    elif wait:
        _show_result(app, project, version, submission.grid)
    else:
        print_submission(submission)
    if failed:
        raise typer.Exit(1)


@commands.command()
@told
def checkpoints(project: ProjectName, version: VersionName, as_json: AsJson = False) -> None:
    """The LoRA files that were trained."""
    from train_tools.terminal import print_json, print_table, say, size_text

    found = _app().runs.checkpoints(project, version)
    if as_json:
        print_json([{**asdict(checkpoint), "name": checkpoint.name} for checkpoint in found])
    elif not found:
        say("No checkpoints yet. They appear as soon as a run has saved its first.")
    else:
        print_table(
            ("run", "epoch", "steps", "size", "file"),
            [
                (
                    checkpoint.run,
                    str(checkpoint.epoch),
                    str(checkpoint.step),
                    size_text(checkpoint.size_bytes),
                    str(checkpoint.path),
                )
                for checkpoint in found
            ],
        )


@commands.command()
@told
def rescan(as_json: AsJson = False) -> None:
    """Find finished runs in their folders again, after the queue file was lost."""
    from train_tools.terminal import print_json, say

    found = _app().runs.rescan()
    if as_json:
        print_json({"found": found})
    else:
        say(f"{found} finished run{'s' * (found != 1)} found that the queue did not know.")


@commands.command()
@told
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; anything but loopback is for you to guard.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(help="Port of the page; 0 takes a free one.")] = 7870,
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A further name this machine is called by.")
    ] = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Serve the page on this machine, and work off the queue."""
    from train_tools.server.service import serve as run_service
    from train_tools.terminal import say
    from train_tools.ui.page import mount_page

    run_service(
        _app(),
        host=host,
        port=port,
        hosts=tuple(allow_host or ()),
        open_browser=open_browser,
        mount=mount_page,
        say=lambda address: say(f"Train Tools is at {address}"),
    )


def _assignments(settings: Sequence[str] | None, base_model: str | None) -> dict[str, str]:
    """Comma lists by option name. Raises OptionValueError where the `=` is missing."""
    from train_tools.errors import OptionValueError

    assignments = {}
    for setting in settings or ():
        name, equals, text = setting.partition("=")
        if not equals or not name.strip():
            raise OptionValueError(f"{setting!r} says no value: write it as name=value or name=value,value,value.")
        if name.strip() in assignments:
            raise OptionValueError(f"{name.strip()} is set twice: write its values at once, as name=value,value.")
        assignments[name.strip()] = text.strip()
    if base_model is not None:
        quoted = base_model.replace('"', '""')
        assignments["pretrained_model_name_or_path"] = f'"{quoted}"'
    return assignments


def _numbers(name: str, text: str | None, kind: type[N]) -> tuple[N, ...] | None:
    from train_tools.errors import OptionValueError

    if text is None:
        return None
    try:
        return tuple(kind(item) for item in text.split(","))
    except ValueError:
        raise OptionValueError(f"{name} {text}: numbers with commas between them are wanted.") from None


def _show_result(app: App, project: str, version: str, grid: str) -> None:
    from train_tools.terminal import say

    found = app.runs.checkpoints(project, version)
    say(f"{len(found)} checkpoints in {app.store.open_version(project, version).paths.trains}")
    image = app.previews.matrix_image(project, version, grid)
    if image is not None:
        say(f"Look at the matrix: {image}", "bold")


def _submission_object(submission: Submission) -> dict[str, Any]:
    return {"grid": submission.grid, "jobs": submission.jobs, "already": submission.already}


def main() -> NoReturn:
    if sys.platform == "win32":
        os.environ.setdefault("PYTHONUTF8", "1")
    commands(prog_name="train-tools")
    raise SystemExit(0)
