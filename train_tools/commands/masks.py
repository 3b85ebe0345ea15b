"""`dataset masks`: masks of the training images, counted, taken in, made of what is transparent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from train_tools.commands.border import AsJson, ProjectName, VersionName, the_app, told

commands = typer.Typer()


@commands.command()
@told
def masks(
    project: ProjectName,
    version: VersionName,
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="PATH...", help="Masks, or folders of them, named like images.")
    ] = None,
    from_opacity: Annotated[
        bool, typer.Option("--from-opacity", help="Make masks of what is transparent in the training images.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show how many training images have a mask, take masks in, or make them. masked_loss trains with them."""
    from train_tools.terminal import print_json, say, say_left_out

    versions = the_app().versions
    if paths:
        report = versions.import_masks(project, version, paths)
    elif from_opacity:
        report = versions.masks_from_opacity(project, version)
    else:
        report = versions.masks(project, version)
    if as_json:
        print_json(report)
        return
    say_left_out(report.problems)
    said = f"{report.written} masks are new. " if paths or from_opacity else ""
    say(f"{said}{report.masked} of {report.images} training images have a mask.")
