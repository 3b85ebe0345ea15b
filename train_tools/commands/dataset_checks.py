"""Commands that look at a version's training images, and put right what they find: `dataset check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from train_tools.commands.border import AsJson, ProjectName, VersionName, the_app, told

if TYPE_CHECKING:
    from train_tools.model.checks import DatasetCheck

checks = typer.Typer()


@checks.command()
@told
def check(
    project: ProjectName,
    version: VersionName,
    cure: Annotated[
        int | None, typer.Option(metavar="N", help="Apply the cure of this number; it can be undone.")
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Undo the cure that was applied last.")] = False,
    known: Annotated[bool, typer.Option("--known", help="Look at no picture that was not looked at yet.")] = False,
    as_json: AsJson = False,
) -> None:
    """Look at the training images: sizes, sharpness, near-duplicates, captions, shares. Each finding says what to
    do, and most can be put right by their number."""
    from train_tools.terminal import counting, print_json, say

    app = the_app()
    if cure is not None or undo:
        record = app.checks.undo(project, version) if undo else app.checks.cure(project, version, cure or 0)
        if as_json:
            print_json(record)
        else:
            say(f"Undone: {record.what}." if undo else f"Done: {record.what}. `--undo` takes it back.")
        return
    if not known:
        with counting("Looking") as progress:
            app.checks.look(project, version, progress)
    found = app.checks.found(project, version)
    if as_json:
        print_json(found)
    else:
        _print(found)


def _print(found: DatasetCheck) -> None:
    from train_tools.terminal import print_findings, say

    cures = found.cures
    for finding in found.findings:
        print_findings([finding])
        if finding.remedy:
            say(f"{'':10}--cure {cures.index(finding) + 1}: {finding.remedy.in_words}", "cyan")
    if found.not_looked_at:
        say(f"{found.not_looked_at} of {found.images} images were not looked at yet.", "yellow")
