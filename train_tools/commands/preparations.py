"""Commands that make training images of a version's originals, or try it on one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from train_tools.commands.border import AsJson, ProjectName, VersionName, the_app, told

commands = typer.Typer()

OriginalName = Annotated[str, typer.Argument(metavar="PICTURE", help="The original's name in origin.")]


@commands.command("prepare")
@told
def prepare(
    project: ProjectName,
    version: VersionName,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting of the preparation; may be repeated."),
    ] = None,
    preview: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw what the steps make of one picture into a PNG, and do no more."),
    ] = None,
    picture: Annotated[str | None, typer.Option(help="For --preview: its name; else the first.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make the training images anew from the originals. What is set is kept for the next time."""
    from train_tools.terminal import counting, print_json, say, say_left_out

    app = the_app()
    stored = app.versions.settings(project, version).preparation
    wanted = app.preparations.with_settings(stored, settings or ())
    if preview is not None:
        made = app.preparations.preview_sheet(project, version, picture, wanted, preview)
        names = [stage.name for stage in made.stages]
        if as_json:
            print_json({"original": made.original, "file": preview, "stages": names, "images": len(made.pictures)})
            return
        say(f"{made.original}: {len(made.pictures)} training images. The steps are drawn in {preview}.")
        return
    if wanted != stored:
        app.versions.change_preparation(project, version, wanted)
    with counting("Preparing") as progress:
        report = app.versions.prepare(project, version, progress)
    if as_json:
        print_json(report)
        return
    say_left_out(report.skipped)
    for folder in report.folders:
        say(
            f"{folder.path.name}: {folder.images} images of {folder.originals} originals, "
            f"{folder.captions} captions."
        )
    say(f"Tag editors can open: {report.folder.parent}")


@commands.command("crop")
@told
def crop(
    project: ProjectName,
    version: VersionName,
    picture: OriginalName,
    part: Annotated[
        str | None,
        typer.Argument(metavar="L,T,R,B", help="Left, top, right and bottom as shares from 0 to 1; without, all."),
    ] = None,
) -> None:
    """Take only a part of a picture from the next preparation on."""
    from train_tools.terminal import say

    the_app().preparations.crop_by_words(project, version, picture, part)
    say(f"{picture}: {part or 'the whole picture'} counts from the next `dataset prepare` on.")


@commands.command("repeats")
@told
def repeats(
    project: ProjectName,
    version: VersionName,
    steps: Annotated[int | None, typer.Option(help="Steps in all.")] = None,
    repeats: Annotated[int | None, typer.Option(help="Draws of an image an epoch.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs.")] = None,
    batch: Annotated[int, typer.Option(help="Images a step.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Of steps, repeats and epochs, give two and get the third; and each folder's share of the training."""
    from train_tools.terminal import print_json, say

    app = the_app()
    found = app.preparations.schedule(project, version, steps=steps, repeats=repeats, epochs=epochs, batch=batch)
    shares = app.preparations.shares(project, version)
    if as_json:
        print_json(
            {
                "images": found.images,
                "repeats": found.repeats,
                "epochs": found.epochs,
                "steps": found.steps,
                "steps_per_epoch": found.steps_per_epoch,
                "steps_per_image": found.steps_per_image,
                "steps_per_concept": found.steps_per_concept,
                "amount": found.amount,
                "shares": shares,
            }
        )
        return
    say(
        f"{found.repeats} repeats x {found.epochs} epochs of {found.images} images are {found.steps} steps "
        f"({found.steps_per_epoch} an epoch)."
    )
    say(
        f"{found.steps_per_image:.0f} steps an image: {found.amount} the 100 to 200 that are advised; "
        f"{found.steps_per_concept:.0f} steps a concept, where others advise about 1000."
    )
    for folder, share in shares.items():
        say(f"{folder}: {share:.0%} of the training.")
