"""Commands about the trainers that can be used. Adding one runs its code: that is done here and nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from train_tools.commands.border import AsJson, the_app, told

if TYPE_CHECKING:
    from train_tools.model.engine import EngineHealth, EngineState

engines = typer.Typer(
    help="Add, check and remove trainers: checkouts of kohya's sd-scripts.", no_args_is_help=True
)
commands = typer.Typer()
commands.add_typer(engines, name="engine")

EngineName = Annotated[str, typer.Argument(metavar="NAME", help="What the trainer is called, such as kohya.")]


@engines.command("add")
@told
def add_engine(
    name: EngineName,
    path: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="A checkout that is there, with its environment.")
    ] = None,
    python: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The Python of its environment, where that isn't venv in it."),
    ] = None,
    ref: Annotated[
        str | None, typer.Option(metavar="REF", help="Fetches this branch, tag or commit with an environment.")
    ] = None,
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="From where, instead of kohya's repository.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a checkout of sd-scripts a trainer, and try it. Its code is run by this."""
    from train_tools.errors import OptionValueError
    from train_tools.terminal import say

    if (path is None) == (ref is None):
        raise OptionValueError(
            "Give either --path with a checkout that is there, or --ref with what is to be fetched."
        )
    app = the_app()
    if path is not None:
        health = app.engines.add(name, path, python)
    else:
        quiet: Any = (lambda words: None) if as_json else say
        health = app.engines.install(name, app.engines.source(str(ref), url, python), quiet)
    _show(health, as_json)


@engines.command("list")
@told
def list_engines(as_json: AsJson = False) -> None:
    """All trainers, with the commit that is checked out."""
    from train_tools.terminal import print_json, print_table

    found = the_app().engines.states()
    if as_json:
        print_json([state_object(state) for state in found])
        return
    print_table(
        ("name", "commit", "folder", ""),
        [(state.name, state.commit[:8], str(state.folder), state.problem) for state in found],
    )


@engines.command("check")
@told
def check_engine(name: EngineName, as_json: AsJson = False) -> None:
    """Try a trainer in its own environment. Its code is run by this."""
    _show(the_app().engines.check(name), as_json)


@engines.command("remove")
@told
def remove_engine(name: EngineName) -> None:
    """Forget a trainer. Its folder and what it has trained stay."""
    from train_tools.terminal import say

    say(f"{name} is forgotten. Its folder {the_app().engines.remove(name).folder} stays.")


@engines.command("allow")
@told
def allow_code(
    name: EngineName,
    code: Annotated[str, typer.Argument(metavar="MODULE", help="A module, or a package and all that is in it.")],
) -> None:
    """Let a trainer's options name code of your own, such as a network module or an optimizer."""
    from train_tools.terminal import say

    the_app().engines.allow(name, code)
    say(f"Options of {name} may name {code} now. It is run when such a run is trained.")


def _show(health: EngineHealth, as_json: bool) -> None:
    from train_tools.terminal import complain, print_json, say

    if as_json:
        print_json(health_object(health))
    else:
        state = health.state
        say(f"{state.name}: {state.folder}" + (f" at {state.commit[:8]}" if state.commit else ""))
        if health.options:
            packages = ", ".join(f"{name} {version}" for name, version in health.packages)
            say(f"{', '.join(state.scripts)}: {health.options} options, read in {health.seconds:.0f} s.")
            say(f"Python {health.python or 'of unknown version'}: {packages or 'no known packages'}.")
        if health.unheard_of:
            say(f"Newer than this Train Tools; without words of ours: {', '.join(health.unheard_of)}.")
        if health.problem:
            complain(f"It can't train yet: {health.problem}")
    if health.problem:
        raise typer.Exit(1)


def state_object(state: EngineState) -> dict[str, Any]:
    return {
        "name": state.name,
        "folder": state.folder,
        "python": state.python,
        "commit": state.commit,
        "scripts": state.scripts,
        "allowed": state.allowed,
        "problem": state.problem,
    }


def health_object(health: EngineHealth) -> dict[str, Any]:
    return {
        **state_object(health.state),
        "problem": health.problem,
        "options": health.options,
        "unheard_of": health.unheard_of,
        "packages": dict(health.packages),
        "python_version": health.python,
    }
