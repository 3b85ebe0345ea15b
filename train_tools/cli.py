"""`train-tools`: every action without a browser. Each command parses its words, calls one or two `App` methods and
prints; heavy imports wait until a command runs."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from train_tools import __version__
from train_tools.commands import (
    base_models,
    checkpoints,
    configs,
    datasets,
    engines,
    grids,
    health,
    lora,
    machine,
    presets,
    previews,
    projects,
    queue,
    runs,
    scores,
    settings,
    webui,
)
from train_tools.commands.border import AsJson, choose_outputs, the_app, told
from train_tools.commands.grids import show_result
from train_tools.commands.queue import CpuSlots, work_off

if TYPE_CHECKING:
    pass

commands = typer.Typer(
    name="train-tools",
    help="Train LoRAs overnight: a grid of settings, a durable queue, a matrix of previews.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for part in (
    projects,
    datasets,
    base_models,
    engines,
    grids,
    presets,
    configs,
    queue,
    runs,
    machine,
    previews,
    checkpoints,
    scores,
    lora,
    settings,
    webui,
    health,
):
    commands.add_typer(part.commands)


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
    app = the_app()
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
    show_result(app, prepared.project, prepared.version, submission.grid)
    say(f"It took {time.monotonic() - started:.0f} s. `train-tools serve` shows all of it in the browser.")
    if failed:
        raise typer.Exit(1)


@commands.command()
@told
def rescan(as_json: AsJson = False) -> None:
    """Find finished runs in their folders again, after the queue file was lost."""
    from train_tools.terminal import print_json, say

    found = the_app().runs.rescan()
    if as_json:
        print_json({"found": found})
    else:
        say(f"{found} finished run{'s' * (found != 1)} found that the queue did not know.")


@commands.command()
@told
def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; where other machines reach it, a password must be set.")
    ] = "127.0.0.1",
    listen: Annotated[bool, typer.Option("--listen", help="Listen on all addresses, as --host 0.0.0.0.")] = False,
    port: Annotated[int, typer.Option(help="Port of the page; 0 takes a free one.")] = 7870,
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A further name this machine is called by.")
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Let other machines in with the token alone, without a password.")
    ] = False,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    cpu_slots: CpuSlots = None,
) -> None:
    """Serve the page on this machine, and work off the queue."""
    from train_tools.server.service import serve as run_service
    from train_tools.terminal import say
    from train_tools.ui.page import mount_page

    app = the_app()
    app.jobs.cpu_slots = cpu_slots
    app.jobs.slots()
    run_service(
        app,
        host="0.0.0.0" if listen else host,
        port=port,
        insecure=insecure,
        hosts=tuple(allow_host or ()),
        open_browser=open_browser,
        mount=mount_page,
        say=say,
    )


@commands.command()
@told
def password(
    remove: Annotated[
        bool, typer.Option("--remove", help="Forget the password; the token alone opens then.")
    ] = False,
    from_stdin: Annotated[
        bool, typer.Option("--stdin", help="Read it from standard input instead of asking.")
    ] = False,
) -> None:
    """Set the password that opens the page from other machines. Kept as a hash, in your own state folder."""
    from train_tools.server.password import hashed
    from train_tools.terminal import say

    settings = the_app().settings
    if remove:
        settings.set_page_password("")
        say("The password is forgotten. Whoever signed in with it is signed out once the service starts anew.")
        return
    typed = sys.stdin.readline().rstrip("\r\n") if from_stdin else _typed_twice()
    settings.set_page_password(hashed(typed))
    say("The password is set, from the next start of the service on: `train-tools serve --listen`.")


def _typed_twice() -> str:
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def main() -> NoReturn:
    if sys.platform == "win32":
        os.environ.setdefault("PYTHONUTF8", "1")
    commands(prog_name="train-tools")
    raise SystemExit(0)
