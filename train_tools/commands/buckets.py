"""`dataset buckets`: at which size each image is trained, and what of it is cut off."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from train_tools.commands.border import AsJson, ProjectName, VersionName, the_app, told

commands = typer.Typer()
MOST_LISTED = 10


@commands.command()
@told
def buckets(
    project: ProjectName,
    version: VersionName,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="An option to try: resolution=768, enable_bucket=true."),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Also draw the images, with what is cut off dimmed.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show which image is trained at which size, how it is scaled and what is cut off. Nothing is changed."""
    from train_tools.terminal import print_json, print_table, say

    app = the_app()
    assignments = dict(app.grids.assignments_of(settings or ()))
    found = app.checks.buckets(project, version, assignments)
    if picture is not None:
        app.checks.draw_buckets(project, version, picture, assignments)
    if as_json:
        print_json(_as_told(found))
        return
    rows = [
        (
            f"{bucket.size[0]} x {bucket.size[1]}",
            f"{len(bucket.images):,}",
            f"{bucket.draws:,}",
            f"{bucket.batches:,}",
            f"{bucket.cut:.0%}",
            f"{max(image.scale for image in bucket.images):.2f}",
        )
        for bucket in found.buckets
    ]
    print_table(("size", "images", "draws", "batches", "cut off at most", "scaled by at most"), rows)
    if not found.enabled:
        say("Buckets are off: every image is cut to one size. `--set enable_bucket=true` shows them on.", "yellow")
    images = (image for bucket in found.buckets for image in bucket.images if image.cut >= 0.005)
    for image in sorted(images, key=lambda each: -each.cut)[:MOST_LISTED]:
        say(
            f"{image.image}: {image.size[0]}x{image.size[1]} is scaled to {image.resized[0]}x{image.resized[1]}; "
            f"{image.cut:.0%} of it is cut off."
        )
    for name, reason in found.left_out[:MOST_LISTED]:
        say(f"{name}: {reason}", "yellow")
    if picture is not None:
        say(f"Drawn in {picture}")


def _as_told(found: Any) -> dict[str, Any]:
    from train_tools.terminal import plain

    told: dict[str, Any] = plain(found)
    for bucket, shown in zip(found.buckets, told["buckets"], strict=True):
        shown |= {"draws": bucket.draws, "cut": bucket.cut}
        for image, each in zip(bucket.images, shown["images"], strict=True):
            each |= {"kept": list(image.kept), "cut": image.cut, "scale": image.scale}
    return told
