"""Commands about the WebUI that may render previews."""

from __future__ import annotations

import typer

from train_tools.commands.border import AsJson, the_app, told
from train_tools.commands.health import sections_object

commands = typer.Typer()
webui = typer.Typer(help="The WebUI that may render previews.", no_args_is_help=True)
commands.add_typer(webui, name="webui")


@webui.command()
@told
def check(as_json: AsJson = False) -> None:
    """Whether previews can be rendered with it, and what to do where not."""
    from train_tools.model.finding import Level, worst
    from train_tools.terminal import print_json, print_sections

    sections = (the_app().health.webui(),)
    if as_json:
        print_json(sections_object(sections))
    else:
        print_sections(sections)
    if worst(sections) is Level.STOP:
        raise typer.Exit(1)
