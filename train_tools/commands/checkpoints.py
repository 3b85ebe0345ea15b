"""Commands about the files that were trained: looked at, marked, put away, edited, taken where they are used."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from train_tools.commands.border import AsJson, ProjectName, VersionName, the_app, told
from train_tools.model.checkpoint import KeepBy

if TYPE_CHECKING:
    from train_tools.model.checkpoint import CheckpointDetails, MarkedCheckpoint, Parting

checkpoints = typer.Typer(help="The LoRA files that were trained, and what becomes of them.", no_args_is_help=True)
commands = typer.Typer()
commands.add_typer(checkpoints, name="checkpoints")

Asked = Annotated[
    str, typer.Argument(metavar="CHECKPOINT", help="RUN/NAME; the name where one run has it; or the file's path.")
]
Token = Annotated[str, typer.Argument(metavar="TOKEN", help="What `trash` and `keep` have said.")]
NewName = Annotated[str, typer.Option("--name", help="The file's name; without it, one that no other file has.")]
TAGS_SHOWN = 20
STAR = "*"


@checkpoints.command("list")
@told
def list_checkpoints(project: ProjectName, version: VersionName, as_json: AsJson = False) -> None:
    """The LoRA files that were trained, with ratings and pins."""
    from train_tools.terminal import print_json, print_table, say, size_text

    found = the_app().checkpoints.list(project, version)
    if as_json:
        print_json([_object(each) for each in found])
    elif not found:
        say("No checkpoints yet. They appear as soon as a run has saved its first.")
    else:
        print_table(
            ("checkpoint", "epoch", "steps", "size", "rating", ""),
            [
                (
                    each.checkpoint.called,
                    str(each.checkpoint.epoch),
                    str(each.checkpoint.step),
                    size_text(each.checkpoint.size_bytes),
                    STAR * each.marks.rating,
                    "pinned" if each.marks.pinned else "",
                )
                for each in found
            ],
        )


@checkpoints.command("show")
@told
def show(project: ProjectName, version: VersionName, checkpoint: Asked, as_json: AsJson = False) -> None:
    """All that is known of one: hashes, trigger words, tags, metadata."""
    from train_tools.terminal import print_json, print_table, say

    details = the_app().checkpoints.show(project, version, checkpoint)
    if as_json:
        print_json({**asdict(details), **_object(details), "called": details.checkpoint.called})
        return
    for name, text in _facts(details):
        say(f"{name:15}{text}")
    if details.tags:
        say("Tags of the captions:", "bold")
        print_table(("", ""), [(str(count), tag) for tag, count in details.tags[:TAGS_SHOWN]])
    say("Metadata:", "bold")
    print_table(("", ""), [(key, _cut(text)) for key, text in details.metadata.items()])


@checkpoints.command("rate")
@told
def rate(
    project: ProjectName,
    version: VersionName,
    checkpoint: Asked,
    stars: Annotated[int, typer.Argument(metavar="STARS", help="1 to 5; 0 takes the rating back.")],
) -> None:
    """Rate one with stars."""
    from train_tools.terminal import say

    marks = the_app().checkpoints.mark(project, version, checkpoint, rating=stars)
    say(f"Rated {STAR * marks.rating}." if marks.rating else "It is not rated any more.")


@checkpoints.command("note")
@told
def note(
    project: ProjectName,
    version: VersionName,
    checkpoint: Asked,
    text: Annotated[str, typer.Argument(metavar="TEXT")],
) -> None:
    """Write down what should be remembered about one."""
    the_app().checkpoints.mark(project, version, checkpoint, notes=text)


@checkpoints.command("pin")
@told
def pin(
    project: ProjectName,
    version: VersionName,
    checkpoint: Asked,
    pinned: Annotated[bool, typer.Option("--on/--off", help="Whether it is pinned.")] = True,
) -> None:
    """Pin one: it is never put away."""
    the_app().checkpoints.mark(project, version, checkpoint, pinned=pinned)


@checkpoints.command("trash")
@told
def trash(
    project: ProjectName,
    version: VersionName,
    several: Annotated[list[str], typer.Argument(metavar="CHECKPOINT...")],
    as_json: AsJson = False,
) -> None:
    """Put some away with their previews; `restore` brings them back."""
    parting = the_app().checkpoints.trash(project, version, *several)
    _tell_parting(parting, as_json)


@checkpoints.command("keep")
@told
def keep(
    project: ProjectName,
    version: VersionName,
    rated: Annotated[int, typer.Option(metavar="STARS", help="Those rated so many stars or more stay.")] = 0,
    best: Annotated[int, typer.Option(metavar="N", help="The best N stay.")] = 0,
    by: Annotated[KeepBy, typer.Option(help="What they are best by; step: trained for longest.")] = KeepBy.STARS,
    each_run: Annotated[bool, typer.Option("--each-run", help="The best N of each run.")] = False,
    grid: Annotated[str, typer.Option(metavar="NAME", help="Whose scores count; the newest grid's without.")] = "",
    scores: Annotated[
        str, typer.Option(metavar="FILE", help='JSON as {"RUN/NAME": 0.7}, the highest is the best; `-` is stdin.')
    ] = "",
    finals: Annotated[bool, typer.Option("--finals/--no-finals", help="The last one of each run stays.")] = True,
    yes: Annotated[bool, typer.Option("--yes", help="Put them away; without it, only say which.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put away what nothing speaks for. Pinned ones always stay; without --yes nothing is moved."""
    from train_tools.model.checkpoint import Keep

    wanted = Keep(
        rated=rated,
        best=best,
        by=by,
        each_run=each_run,
        grid=grid,
        finals=finals,
        scores=_scores(scores) if scores else {},
    )
    desk = the_app().checkpoints
    parting = desk.keep(project, version, wanted) if yes else desk.would_go(project, version, wanted)
    _tell_parting(parting, as_json)


@checkpoints.command("trashed")
@told
def trashed(project: ProjectName, version: VersionName, as_json: AsJson = False) -> None:
    """What was put away and can be brought back, the last first."""
    from train_tools.terminal import ago_text, print_json, print_table, size_text

    found = the_app().checkpoints.trashed(project, version)
    if as_json:
        print_json(found)
        return
    rows = [
        (each.token, ago_text(each.trashed.timestamp()), each.what, size_text(each.size_bytes)) for each in found
    ]
    print_table(("token", "put away", "", "size"), rows)


@checkpoints.command("restore")
@told
def restore(token: Token) -> None:
    """Bring back what was put away."""
    from train_tools.terminal import say

    for file in the_app().checkpoints.restore(token):
        say(f"Back: {file}")


@checkpoints.command("discard")
@told
def discard(token: Token, yes: Annotated[bool, typer.Option("--yes", help="Don't ask back.")] = False) -> None:
    """Delete from the trash, for good: only this frees the disk."""
    if not yes:
        typer.confirm(f"Delete {token} for good?", abort=True)
    the_app().checkpoints.discard(token)


@checkpoints.command("copy")
@told
def copy(
    project: ProjectName,
    version: VersionName,
    checkpoint: Asked,
    to: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A WebUI's models/Lora; without it, `copies.folder`.")
    ] = None,
    name: NewName = "",
    weight: Annotated[float, typer.Option(help="The weight that the WebUI proposes; 0: its own.")] = 0.0,
    picture: Annotated[Path | None, typer.Option(metavar="PNG", help="What the WebUI shows.")] = None,
    link: Annotated[bool, typer.Option("--link/--copy", help="A link takes no room.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put one where a WebUI finds it, under a name of its own, with a picture and a card."""
    from train_tools.terminal import print_json, say

    made = the_app().checkpoints.copy(
        project, version, checkpoint, folder=to, name=name, weight=weight, picture=picture, link=link
    )
    if as_json:
        print_json(made)
        return
    say(f"{'It is there already' if made.was_there else 'Linked' if made.linked else 'Copied'}: {made.path}")
    for sentence in made.notes:
        say(sentence, "yellow")
    say(f"In a prompt: <lora:{made.path.stem}:1>")


@checkpoints.command("edit")
@told
def edit(
    project: ProjectName,
    version: VersionName,
    checkpoint: Asked,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=TEXT", help="A key with its new text.")
    ] = None,
    unset: Annotated[list[str] | None, typer.Option("--unset", metavar="KEY", help="A key to take out.")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Have the file of before the last edit.")] = False,
) -> None:
    """Edit the metadata. The tensors stay as they are, and each edit can be undone."""
    from train_tools.errors import OptionValueError
    from train_tools.terminal import say

    desk = the_app().checkpoints
    if undo:
        if settings or unset:
            raise OptionValueError("--undo goes alone: undo first, then edit.")
        say(f"Edit {desk.undo_edit(project, version, checkpoint).number} is undone.")
        return
    changes: dict[str, str | None] = dict(_pair(text) for text in settings or ())
    made = desk.edit(project, version, checkpoint, {**changes, **dict.fromkeys(unset or ())})
    say(f"Edit {made.number} is written. `--undo` takes it back.")


@checkpoints.command("export")
@told
def export(
    project: ProjectName,
    version: VersionName,
    checkpoint: Asked,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the new folder is made.")],
    name: NewName = "",
) -> None:
    """Make a folder to show one to others: file, pictures, trigger words, settings."""
    from train_tools.terminal import say

    say(f"Written: {the_app().checkpoints.export(project, version, checkpoint, folder, name)}")


def _object(each: MarkedCheckpoint | CheckpointDetails) -> dict[str, Any]:
    checkpoint, marks = each.checkpoint, each.marks
    marked = {"rating": marks.rating, "pinned": marks.pinned, "notes": marks.notes}
    return {**asdict(checkpoint), "name": checkpoint.name, **marked}


def _facts(details: CheckpointDetails) -> list[tuple[str, str]]:
    from train_tools.terminal import size_text

    checkpoint, marks = details.checkpoint, details.marks
    facts = [
        ("File", str(checkpoint.path)),
        ("Size", size_text(checkpoint.size_bytes)),
        ("Trained", f"epoch {checkpoint.epoch}, {checkpoint.step} steps{', final' * checkpoint.final}"),
        ("sha256", details.sha256),
        ("Of the tensors", details.tensors_sha256),
        ("Base model", f"{details.base_model or 'not told'} ({details.family})"),
        ("Trigger words", ", ".join(details.trigger) or "none"),
        ("Rating", (STAR * marks.rating or "none") + ", pinned" * marks.pinned),
        ("Previews", str(len(details.images))),
    ]
    return [*facts, *([("Notes", marks.notes)] if marks.notes else [])]


def _tell_parting(parting: Parting, as_json: bool) -> None:
    from train_tools.terminal import print_json, say, size_text

    if as_json:
        called = {"going": [each.called for each in parting.going], "staying": [e.called for e in parting.staying]}
        print_json({**asdict(parting), **called})
        return
    for each in parting.going:
        say(f"  {each.called}")
    size, freed = size_text(parting.size_bytes), size_text(parting.freed_bytes)
    say(f"{'Put away' if parting.token else 'Would go'}: {len(parting.going)}, {size}.")
    if parting.freed_bytes < parting.size_bytes:
        say(f"Copies elsewhere are the same files: deleting from the trash would free {freed}.", "yellow")
    for sentence in parting.notes:
        say(sentence, "yellow")
    if parting.token:
        say(f"Undo: train-tools checkpoints restore {parting.token}")
        say(f"To free {freed}: train-tools checkpoints discard {parting.token}")
    elif parting.going:
        say("Nothing was moved. The same with --yes puts them away.")


def _scores(file: str) -> dict[str, float]:
    from train_tools.errors import OptionValueError

    try:
        table = json.loads(sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8"))
        return {str(called): float(score) for called, score in table.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise OptionValueError(
            f'--scores {file} can\'t be read ({error}). JSON like {{"RUN/NAME": 0.7}} is wanted.'
        ) from error


def _pair(text: str) -> tuple[str, str]:
    from train_tools.errors import OptionValueError

    key, equals, value = text.partition("=")
    if not equals:
        raise OptionValueError(f"--set {text}: KEY=TEXT is wanted.")
    return key, value


def _cut(text: str) -> str:
    first = text.split("\n", 1)[0]
    return first if len(first) <= 160 and first == text else f"{first[:160]} ..."
