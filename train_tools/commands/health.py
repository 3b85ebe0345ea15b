"""Commands about what is well with this machine and what is not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from train_tools.commands.border import AsJson, the_app, told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from train_tools.model.finding import Section

commands = typer.Typer()


@commands.command()
@told
def doctor(
    try_compile: Annotated[
        bool, typer.Option("--compile", help="Also try torch.compile, which takes a minute.")
    ] = False,
    bundle: Annotated[
        Path | None,
        typer.Option(metavar="FILE.zip", help="Write all of it, and the ends of failed logs, without secrets."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What may keep this machine from training well, and what to do. Trainers that were added are tried too."""
    from train_tools.model.finding import Level, worst
    from train_tools.terminal import print_json, print_sections, say

    app = the_app()
    place = app.diagnostics.place(bundle) if bundle is not None else None
    sections = app.health.findings(with_foreign_code=True, with_compiling=try_compile)
    if place is not None:
        app.diagnostics.write(place, sections)
    if as_json:
        print_json(sections_object(sections))
    else:
        print_sections(sections)
        say(summary(sections))
        if bundle is not None:
            say(f"{bundle} is written. Look through it before you give it away: README.txt says what is in it.")
    if worst(sections) is Level.STOP:
        raise typer.Exit(1)


def sections_object(sections: Sequence[Section]) -> dict[str, Any]:
    from train_tools.model.finding import worst

    return {"level": worst(sections), "sections": sections}


def summary(sections: Sequence[Section]) -> str:
    from train_tools.model.finding import Level

    levels = [finding.level for section in sections for finding in section.findings]
    stops, warnings = levels.count(Level.STOP), levels.count(Level.WARNING)
    if stops:
        return f"{stops} to be put right before trainings do well, {warnings} more to be looked at."
    return f"{warnings} to be looked at; nothing stops a training." if warnings else "All is well."
