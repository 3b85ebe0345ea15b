"""Commands about which checkpoint to keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from train_tools.commands.border import AsJson, GridName, ProjectName, VersionName, the_app, told
from train_tools.commands.queue import work_until

if TYPE_CHECKING:
    from train_tools.model.score import Effect, ScoredCheckpoint, ScoreTable, SuggestedCheckpoint

commands = typer.Typer()
NEXT = {"burnt": "burnt", "no effect": "no-effect"}
"""Remark -> what `train-tools suggest` calls it."""
MEASURED = {"fixed-noise", "dino-likeness", "clip-likeness", "adherence", "tag-recall"}
"""Scorers that need the job."""


@commands.command()
@told
def score(
    project: ProjectName,
    version: VersionName,
    grid: GridName = None,
    with_: Annotated[
        list[str] | None, typer.Option("--with", metavar="NAME", help="A scorer; may be repeated. All without.")
    ] = None,
    measure: Annotated[
        bool,
        typer.Option("--measure/--no-measure", help="Measure what takes the base model, where it is missing."),
    ] = True,
    download: Annotated[
        bool, typer.Option("--download", help="Fetch models that look at previews, where they are missing.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait/--queue", help="Measure now, or only queue it.")] = True,
    as_json: AsJson = False,
) -> None:
    """Score a grid's checkpoints and suggest one, with reasons. Which to keep is yours to choose."""
    from train_tools.terminal import print_json, say

    app = the_app()
    app.scores.check_names(with_ or ())
    job = app.scores.start(project, version, grid, download=download) if measure and _measures(with_) else None
    if job is not None and wait:
        work_until(app, lambda: app.jobs.get(job.id).state.finished, quiet=as_json)
    table = app.scores.table(project, version, grid, with_ or ())
    if as_json:
        print_json(table)
    else:
        _print_table(table)
    ended = app.jobs.get(job.id) if job is not None else None
    if ended is not None and wait and ended.state != "done":
        if not as_json:
            say(f"Not everything could be measured: {ended.message}", "yellow")
        raise typer.Exit(1)


def _measures(names: list[str] | None) -> bool:
    """Whether any of them needs the job."""
    return not names or bool(MEASURED & set(names))


def _print_table(table: ScoreTable) -> None:
    from train_tools.terminal import print_table, say

    names = dict.fromkeys(name for each in table.checkpoints for name in each.scores)
    order = sorted(table.checkpoints, key=lambda each: (each.place is None, each.place or 0))
    print_table(
        ("place", "run", "checkpoint", *names, "remarks"), [_row(each, tuple(names)) for each in order], table.grid
    )
    for name, reason in {(gap.scorer, gap.reason) for each in table.checkpoints for gap in each.unscored}:
        say(f"{name}: {reason}", "dim")
    for remark, because in NEXT.items():
        run = next((each.run for each in order if remark in each.remarks), None)
        if run is not None:
            say(f"What to change where it is {remark}: `train-tools suggest {run} --because {because}`.")
    for effect in table.effects:
        say(_effect_sentence(effect))
    if table.suggestion is None:
        say("Nothing speaks for one checkpoint over another yet.")
    else:
        _print_suggestion(table.suggestion)


def _row(checkpoint: ScoredCheckpoint, names: tuple[str, ...]) -> tuple[str, ...]:
    found = [checkpoint.scores.get(name) for name in names]
    numbers = ["" if each is None or each.value is None else f"{each.value:.3f}" for each in found]
    return (
        str(checkpoint.place or ""),
        checkpoint.label,
        checkpoint.name,
        *numbers,
        ", ".join(checkpoint.remarks),
    )


def _effect_sentence(effect: Effect) -> str:
    return f"{effect.scorer}: {effect.evidence}"


def _print_suggestion(suggestion: SuggestedCheckpoint) -> None:
    from train_tools.terminal import say

    say(f"Suggested, with {suggestion.sureness} confidence: {suggestion.path}", "bold")
    for reason in suggestion.reasons:
        say(f"  + {reason}")
    for doubt in suggestion.doubts:
        say(f"  - {doubt}", "yellow")
