"""Where the command line meets the app: which outputs folder was chosen, how a user's error is told, and the words
that several commands take."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ParamSpec, TypeVar

import typer

if TYPE_CHECKING:
    from train_tools.app import App

ProjectName = Annotated[str, typer.Argument(metavar="PROJECT", help="Name of the project.")]
VersionName = Annotated[str, typer.Argument(metavar="VERSION", help="Name of the version.")]
JobNumber = Annotated[int, typer.Argument(metavar="JOB", help="The job's number.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
GridName = Annotated[str | None, typer.Option("--grid", help="Name of the grid; without it, the newest.")]
StartTime = Annotated[
    str | None,
    typer.Option("--at", metavar="TIME", help="Starts then at the earliest: 23:30, 2026-11-21 02:00, +2h."),
]

INTERRUPTED = 130
P = ParamSpec("P")
T = TypeVar("T")
_chosen_outputs: Path | None = None


def choose_outputs(folder: Path | None) -> None:
    """What `--outputs` said; the command that follows works there."""
    global _chosen_outputs
    _chosen_outputs = folder


def the_app() -> App:
    """The app on the chosen outputs folder."""
    from train_tools.app import open_app

    return open_app(_chosen_outputs)


def told(command: Callable[P, T]) -> Callable[P, T]:
    """A command whose user errors end as one sentence on stderr and exit code 1."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        from train_tools.app import USER_ERRORS

        try:
            return command(*args, **kwargs)
        except USER_ERRORS as error:
            from train_tools.terminal import complain

            complain(str(error))
            raise typer.Exit(1) from error
        except KeyboardInterrupt:
            from train_tools.terminal import complain

            complain("Stopped. Nothing is lost: what was queued stays queued and goes on at the next start.")
            raise typer.Exit(INTERRUPTED) from None

    return wrapped
