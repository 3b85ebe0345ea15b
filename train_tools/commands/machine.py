"""Commands about the machine: what it does when the queue is done, what it shows on its desktop."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from train_tools.commands.border import AsJson, ProjectName, VersionName, the_app, told

if TYPE_CHECKING:
    from train_tools.app import App
    from train_tools.model.machine import AfterQueue

commands = typer.Typer()


class What(StrEnum):
    NOTHING = "nothing"
    SHUT_DOWN = "shut-down"


Yes = Annotated[bool, typer.Option("--yes", help="Don't ask whether that is meant.")]


@commands.command("open")
@told
def open_folder(
    project: ProjectName,
    version: VersionName,
    what: Annotated[str, typer.Argument(metavar="[RUN|CHECKPOINT]", help="Without it, the version itself.")] = "",
    as_json: AsJson = False,
) -> None:
    """Open a version's, a run's or a checkpoint's folder in the file manager; always says where it is."""
    from train_tools.terminal import print_json, say

    told_of = the_app().desktop.show(project, version, what)
    if as_json:
        print_json(told_of)
        return
    say(str(told_of.path))
    if not told_of.shown:
        say(told_of.reason, "yellow")


@commands.command()
@told
def then(
    what: Annotated[What | None, typer.Argument(help="Without it, say what was asked for.")] = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """What happens when the queue is done: nothing, or this machine is shut down, this once."""
    from train_tools.terminal import print_json, say

    app = the_app()
    if what is What.SHUT_DOWN:
        ask_for_shutdown(app, yes)
    elif what is What.NOTHING:
        revoke_shutdown(app)
    if as_json:
        print_json(app.machine.after_queue)
    else:
        say(_words(app.machine.after_queue))


def ask_for_shutdown(app: App, yes: bool) -> None:
    """Asks back unless `yes`; whoever does not answer has not asked for it."""
    from train_tools.model.machine import Then
    from train_tools.terminal import say

    if not yes:
        say("When no job runs, waits or is paused any more, this machine shuts down, also when some runs failed.")
        typer.confirm("Is that meant?", abort=True)
    app.machine.after_queue_do(Then.SHUT_DOWN)


def revoke_shutdown(app: App) -> None:
    from train_tools.model.machine import Then

    app.machine.after_queue_do(Then.NOTHING)


def _words(after: AfterQueue) -> str:
    if after.problem:
        return after.problem
    if after.then == "nothing":
        return "Nothing happens when the queue is done."
    if after.seconds_left is None:
        return "This machine is shut down when the queue is done. `train-tools then nothing` revokes it."
    return f"This machine is shut down in {after.seconds_left} s. `train-tools then nothing` revokes it."
