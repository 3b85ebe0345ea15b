"""Commands about a version's dataset: from a pile of pictures to what is trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from train_tools.commands import (
    buckets,
    caption_checks,
    captioners,
    captions,
    dataset_checks,
    masks,
    regularisation,
)
from train_tools.commands.border import AsJson, ProjectName, VersionName, the_app, told
from train_tools.commands.preparations import commands as preparations

datasets = typer.Typer(help="Bring pictures into a version.", no_args_is_help=True)
datasets.add_typer(preparations)
commands = typer.Typer()
commands.add_typer(datasets, name="dataset")
captions.tags.add_typer(caption_checks.commands)
datasets.add_typer(captioners.commands)
datasets.add_typer(captions.tags, name="tags")
datasets.add_typer(dataset_checks.checks)
datasets.add_typer(buckets.commands)
datasets.add_typer(masks.commands)
datasets.add_typer(regularisation.regularisation, name="regularisation")


@datasets.command("import")
@told
def import_dataset(
    project: ProjectName,
    version: VersionName,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Pictures, folders, zip files.")],
    width: Annotated[int | None, typer.Option(help="Width of the training images in pixels.")] = None,
    height: Annotated[int | None, typer.Option(help="Height of the training images in pixels.")] = None,
    repeats: Annotated[int | None, typer.Option(help="Draws of an image an epoch; -1 = automatic.")] = None,
    mirrored: Annotated[
        bool | None, typer.Option("--mirrored/--not-mirrored", help="Add a mirrored copy of each.")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of captions that are no Unicode: cp932, gbk, cp1251 ...")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Copy pictures and their captions in, and make the training images from them. Originals stay as they are."""
    from train_tools.terminal import MOST_LISTED, counting, print_json, say, say_left_out

    app = the_app()
    given = {"width_px": width, "height_px": height, "repeats": repeats, "mirrored_copies": mirrored}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if changes:
        preparation = app.versions.settings(project, version).preparation
        app.versions.change_preparation(project, version, replace(preparation, **changes))
    with counting("Importing") as progress:
        imported = app.versions.import_images(project, version, paths, progress, encoding=encoding)
    with counting("Preparing") as progress:
        prepared = app.versions.prepare(project, version, progress)
    if as_json:
        print_json({"import": imported, "preparation": prepared})
        return
    say_left_out(imported.rejected, imported.file)
    say_left_out(prepared.skipped)
    for near in imported.near_duplicates[:MOST_LISTED]:
        say(f"Looks like another: {near.source} like {near.like} (distance {near.distance})", "yellow")
    if len(imported.near_duplicates) > MOST_LISTED:
        say(f"{len(imported.near_duplicates)} look like others; all are in {imported.file}", "yellow")
    say(
        f"{imported.images} pictures and {imported.captions} captions are new"
        + (f", {len(imported.already_there)} were there already" if imported.already_there else "")
        + f". Training images: {prepared.images}, each drawn {prepared.repeats} times an epoch."
    )
    say(f"Tag editors can open: {prepared.folder}")
