"""Commands about single runs: what sets them apart, and how to make them again."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from train_tools.commands.border import AsJson, the_app, told
from train_tools.commands.grids import submission_object
from train_tools.commands.queue import work_until
from train_tools.model.suggestion import Symptom

if TYPE_CHECKING:
    from train_tools.app import App
    from train_tools.app.successors import Succession
    from train_tools.model.difference import Change, Comparison, Difference
    from train_tools.model.job import Job

commands = typer.Typer()

RunName = Annotated[
    str, typer.Argument(metavar="RUN", help="A job's number, the name of a run's folder, or its path.")
]
OtherRun = Annotated[str, typer.Argument(metavar="OTHER", help="The run to compare it with.")]


@commands.command()
@told
def diff(
    run: RunName,
    other: OtherRun,
    checkpoints: Annotated[
        bool, typer.Option("--checkpoints", help="Also compare their checkpoints, tensor by tensor.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """What differs between two runs: options, files of the dataset, code, packages, machine."""
    from train_tools.terminal import print_json, say

    app = the_app()
    difference = app.records.difference(run, other)
    comparison = app.records.comparison(run, other) if checkpoints else None
    if as_json:
        compared = _comparison_object(comparison) if comparison else {}
        print_json({**difference.sections, "notes": difference.notes, **compared})
        return
    _print_difference(difference)
    if comparison:
        say(comparison.sentence)


@commands.command("command")
@told
def print_command(
    run: RunName,
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where its files go; without it, a folder of their own.")
    ] = None,
) -> None:
    """The command that trains a run, to be pasted into this system's shell. It leaves the run as it is."""
    from train_tools.terminal import complain

    pasted = the_app().records.command(run, output)
    for note in pasted.notes:
        complain(note)
    sys.stdout.write(pasted.text + "\n")


@commands.command()
@told
def reproduce(
    run: RunName,
    wait: Annotated[bool, typer.Option("--wait", help="Train it now, and compare the results.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a run once more beside itself, to see whether the same comes out. The original is only read."""
    from train_tools.terminal import print_json, say

    app = the_app()
    again = app.successors.reproduce(run)
    name = again.run.folder.name
    if not as_json:
        _print_surroundings(again.surroundings)
        for note in again.notes:
            say(note, "yellow")
        say(f"Job {again.job} trains it once more, as {name}.")
    if wait:
        work_until(app, lambda: app.jobs.get(again.job).state.finished, as_json)
        _tell_result(app, str(again.original.folder), str(again.run.folder), again.job, as_json)
    elif as_json:
        print_json({"job": again.job, "run": name, "surroundings": again.surroundings, "notes": again.notes})
    else:
        say(f"When it is done: train-tools diff {again.original.folder.name} {name} --checkpoints")


SetOptions = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUES", help="An option with another value; several make several runs."),
]
Wait = Annotated[bool, typer.Option("--wait", help="Work until they and their previews are done.")]


@commands.command()
@told
def clone(
    run: RunName,
    settings: SetOptions = None,
    unset: Annotated[
        list[str] | None, typer.Option("--unset", metavar="KEY", help="An option to go back to its default.")
    ] = None,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Queue a run again with other options, beside the original."""
    app = the_app()
    _tell_succession(
        app, app.successors.clone(run, app.grids.assignments_of(settings or ()), unset or ()), wait, as_json
    )


@commands.command("less-memory")
@told
def less_memory(run: RunName, wait: Wait = False, as_json: AsJson = False) -> None:
    """Queue a run that ran out of memory with the next step that takes less; again takes one more."""
    app = the_app()
    _tell_succession(app, app.successors.less_memory(run), wait, as_json)


@commands.command("continue")
@told
def continue_from(
    checkpoint: Annotated[str, typer.Argument(metavar="CHECKPOINT", help="A LoRA file in a run's folder.")],
    epochs: Annotated[int, typer.Option("--epochs", help="How many epochs to train on.")],
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Queue a new run that goes on from a checkpoint's weights."""
    app = the_app()
    _tell_succession(app, app.successors.continue_from(checkpoint, epochs), wait, as_json)


@commands.command()
@told
def suggest(
    run: RunName,
    because: Annotated[Symptom, typer.Option("--because", help="What is wrong with the result.")],
    as_json: AsJson = False,
) -> None:
    """What to change in the next run, and why. Nothing is queued."""
    from train_tools.model.expressions import typed
    from train_tools.terminal import print_json, print_table, say

    suggested = the_app().successors.suggest(run, because)
    if as_json:
        print_json({"changes": suggested.changes, "advice": suggested.advice})
        return
    words = {proposal.name: typed((proposal.value,)) for proposal in suggested.changes}
    print_table(
        ("option", "value", "because"),
        [(each.name, words[each.name], each.reason) for each in suggested.changes],
    )
    for sentence in suggested.advice:
        say(sentence)
    if words:
        settings = " ".join(f"--set {shlex.quote(f'{name}={text}')}" for name, text in words.items())
        say(f"To queue it: train-tools clone {shlex.quote(run)} {settings}")


def _tell_succession(app: App, made: Succession, wait: bool, as_json: bool) -> None:
    from train_tools.terminal import print_json, print_submission, say

    submission = made.submission
    if not as_json:
        for change in made.says:
            say(f"With {change}.")
        print_submission(submission)
    failed = _wait_for(app, made, as_json) if wait else False
    if as_json:
        print_json({**submission_object(submission), "says": made.says, "failed": failed})
    if failed:
        raise typer.Exit(1)


def _wait_for(app: App, made: Succession, quiet: bool) -> bool:
    """Works until the runs and their previews have ended. True when one of them failed."""

    def jobs() -> list[Job]:
        in_grid = app.grids.jobs(made.project, made.version.folder.name, made.submission.grid)
        return [job for job in in_grid if {job.id, job.parent} & set(made.submission.jobs)]

    work_until(app, lambda: all(job.state.finished for job in jobs()), quiet)
    return any(job.state == "failed" for job in jobs())


def _tell_result(app: App, original: str, again: str, job: int, as_json: bool) -> None:
    """What came out, and what could be the reason where it is not the same."""
    from train_tools.terminal import print_json, say

    ended = app.jobs.get(job)
    comparison, difference = app.records.comparison(original, again), app.records.difference(original, again)
    if as_json:
        print_json(
            {
                "job": job,
                "run": Path(again).name,
                "state": ended.state,
                **_comparison_object(comparison),
                "surroundings": difference.surroundings,
            }
        )
    elif ended.state == "done":
        say(comparison.sentence, "green" if comparison.equal else "yellow")
        if not comparison.equal:
            _print_surroundings(difference)
    if ended.state != "done":
        raise typer.Exit(1)


def _comparison_object(comparison: Comparison) -> dict[str, Any]:
    """A comparison as `--json` prints it; JSON has no infinity."""
    files = [{**asdict(file), "equal": file.equal} for file in comparison.files]
    finite = [{**file, "largest": file["largest"] if isfinite(file["largest"]) else None} for file in files]
    return {"equal": comparison.equal, "sentence": comparison.sentence, "checkpoints": finite}


def _print_surroundings(difference: Difference) -> None:
    from train_tools.terminal import say

    if difference.surroundings:
        say("It is not made as it was then, so that the results may differ:", "yellow")
        _print_changes(difference.surroundings)
    for note in difference.notes:
        say(f"Note: {note}.", "yellow")


def _print_difference(difference: Difference) -> None:
    from train_tools.terminal import say

    for section, changes in difference.sections.items():
        if changes:
            say(section, "bold")
            _print_changes(changes)
    if not any(difference.sections.values()):
        say("The runs are the same in everything that is written down.")
    for note in difference.notes:
        say(f"Note: {note}.", "yellow")


def _print_changes(changes: tuple[Change, ...]) -> None:
    from train_tools.terminal import print_table

    print_table(("", "first", "second"), [(change.what, change.before, change.after) for change in changes])
