"""Commands about captions that captioners write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from train_tools.commands.border import AsJson, ProjectName, VersionName, the_app, told
from train_tools.commands.queue import work_until

if TYPE_CHECKING:
    from train_tools.app import App
    from train_tools.model.captioning import CaptionerState
    from train_tools.model.job import Job

commands = typer.Typer()


@commands.command()
@told
def caption(
    project: ProjectName,
    version: VersionName,
    with_: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="NAME[=MODEL]",
            help="A captioner, and which of its models; may be repeated.",
        ),
    ] = None,
    threshold: Annotated[float | None, typer.Option(help="The least likelihood of a tag, 0 to 1.")] = None,
    character_threshold: Annotated[float | None, typer.Option(help="The same for names of characters.")] = None,
    rating_threshold: Annotated[float, typer.Option(help="The same for the rating.")] = 0.0,
    characters: Annotated[
        bool, typer.Option("--characters/--no-characters", help="Names of characters are tags.")
    ] = True,
    characters_first: Annotated[bool, typer.Option("--characters-first", help="They come before others.")] = False,
    rating: Annotated[str, typer.Option(help="The likeliest rating as a tag: none, first or last.")] = "none",
    spaces: Annotated[
        bool, typer.Option("--spaces/--underscores", help="Blanks for underscores, but for faces such as ^_^.")
    ] = True,
    escape: Annotated[bool, typer.Option("--escape-brackets", help=r"\( for (.")] = False,
    undesired: Annotated[str, typer.Option(metavar="TAG,TAG", help="Tags to leave out.")] = "",
    replace: Annotated[str, typer.Option(metavar="A,B;C,D", help="Tags to write otherwise: B for A.")] = "",
    first: Annotated[str, typer.Option(metavar="TAG,TAG", help="Tags that stand first where they are.")] = "",
    existing: Annotated[str, typer.Option(help="Your own captions: ignore, copy, prepend or append.")] = "ignore",
    join: Annotated[str, typer.Option(help="What stands between your own and the new words.")] = " ",
    detail: Annotated[str, typer.Option(help="Of Florence-2: brief, detailed or more_detailed.")] = "detailed",
    prompt: Annotated[str | None, typer.Option(help="What the endpoint is asked.")] = None,
    download: Annotated[bool, typer.Option("--download", help="Fetch what is missing.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Also what these settings captioned before.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Put your own captions back, and do nothing else.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--queue", help="Caption now, or only queue it.")] = True,
    as_json: AsJson = False,
) -> None:
    """Write captions for the originals. Your own are kept aside; preparing anew takes the captions along."""
    from train_tools.model.captioning import (
        DEFAULT_PROMPT,
        CaptionSettings,
        Chosen,
        Detail,
        ExistingCaption,
        RatingTag,
        TagWords,
        member,
        replacements_of,
    )

    app = the_app()
    if undo:
        _undo(app, project, version, as_json)
        return
    tags = TagWords(
        threshold=threshold,
        character_threshold=character_threshold,
        rating_threshold=rating_threshold,
        character_tags=characters,
        characters_first=characters_first,
        rating=member(RatingTag, rating),
        spaces=spaces,
        escape_brackets=escape,
        undesired=_items(undesired),
        replacements=replacements_of(replace),
        always_first=_items(first),
    )
    settings = CaptionSettings(
        captioners=tuple(map(Chosen.of, with_ or [_suggested(app, project, version, quiet=as_json)])),
        tags=tags,
        existing=member(ExistingCaption, existing),
        join=join,
        detail=member(Detail, detail),
        prompt=DEFAULT_PROMPT if prompt is None else prompt,
    )
    job = app.captioners.start(project, version, settings, download=download, again=again)
    if wait:
        work_until(app, lambda: app.jobs.get(job.id).state.finished, quiet=as_json)
    _show(app.jobs.get(job.id), as_json, waited=wait)


@commands.command("captioners")
@told
def list_captioners(as_json: AsJson = False) -> None:
    """Which captioners there are, where their models lie, and what is missing of them."""
    from train_tools.terminal import print_json, print_table, say

    found = the_app().captioners.all()
    if as_json:
        print_json([{**asdict(each), "ready": each.ready} for each in found])
        return
    print_table(
        ("name", "writes", "model", "where, or what is missing"), [row for each in found for row in _rows(each)]
    )
    (folder,) = {model.folder.parent for each in found for model in each.models}
    say(f"Missing files belong into {folder / '<organisation>--<repository>'}, or are fetched with --download.")


def _rows(captioner: CaptionerState) -> Iterator[tuple[str, str, str, str]]:
    from train_tools.terminal import size_text

    style = str(captioner.style or "")
    if captioner.problem or not captioner.models:
        yield captioner.name, style, captioner.title, captioner.problem or "ready"
    for model in captioner.models:
        missing = f"missing: {', '.join(model.missing)}, about {size_text(model.about_bytes)}"
        yield captioner.name, style, model.repository, str(model.place or missing)


def _suggested(app: App, project: str, version: str, quiet: bool) -> str:
    from train_tools.terminal import say

    suggested = app.captioners.suggested(project, version)
    if not quiet:
        say(f"With {suggested.name}: {suggested.reason}.")
    return suggested.name


def _show(job: Job, as_json: bool, waited: bool) -> None:
    from train_tools.terminal import job_sentence, print_json, say

    if as_json:
        print_json(job)
    elif waited and job.state == "done":
        say("Prepare again, so that the training images take the captions along.")
    elif not waited:
        say(f"{job.title}: {job_sentence(job)}.")
    if waited and job.state != "done":
        raise typer.Exit(1)


def _undo(app: App, project: str, version: str, as_json: bool) -> None:
    from train_tools.terminal import print_json, say

    undone = app.captioners.undo(project, version)
    if as_json:
        print_json(undone)
        return
    say(f"{undone.restored} captions are again as they were.")
    for name in undone.left:
        say(f"Left alone, because it was changed since: the caption of {name}", "yellow")


def _items(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())
