"""Commands about captions and tags: `dataset tags ...`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from train_tools.commands.border import AsJson, ProjectName, VersionName, the_app, told

if TYPE_CHECKING:
    from train_tools.model.captions import CaptionedImage, CaptionEdit, EditOutcome, Selection

tags = typer.Typer(help="Captions and tags: count, search, edit many at once, undo.", no_args_is_help=True)

Tags = Annotated[str, typer.Argument(metavar="TAGS", help="Tags with commas between.")]
Where = Annotated[
    str, typer.Option(metavar="FILTER", help="Only captions that it finds: 'cat AND NOT (dog OR *hair)'.")
]
Images = Annotated[
    list[str] | None, typer.Option("--image", metavar="IMAGE", help="Only this image, as 10_cat/tom.png.")
]
Preview = Annotated[bool, typer.Option("--preview", help="Only show what would change.")]
LeaveChanged = Annotated[
    bool, typer.Option("--leave-changed", help="Leave captions that were changed since, instead of refusing.")
]
Number = Annotated[int | None, typer.Argument(metavar="EDIT", help="The edit's number; without it, the last.")]
Most = Annotated[int, typer.Option("--limit", min=1, help="Show so many.")]


@tags.command("list")
@told
def list_tags(
    project: ProjectName, version: VersionName, where: Where = "", limit: Most = 50, as_json: AsJson = False
) -> None:
    """List the tags, the commonest first, and how many go with the trigger."""
    from train_tools.terminal import print_json, print_table, say

    table = the_app().captions.tags(project, version, selected(where))
    if as_json:
        print_json(table)
        return
    rows = [
        (row.tag, str(row.captions), str(row.with_trigger) if table.with_trigger else "")
        for row in table.tags[:limit]
    ]
    print_table(("tag", "captions", "with the trigger"), rows)
    hidden = len(table.tags) - len(rows)
    say(f"{len(table.tags)} tags in {table.images} captions." + (f" {hidden} more: --limit" if hidden else ""))


@tags.command("captions")
@told
def list_captions(
    project: ProjectName, version: VersionName, where: Where = "", limit: Most = 50, as_json: AsJson = False
) -> None:
    """List images with their captions, as a training takes them."""
    from train_tools.terminal import print_json, print_table, say

    app = the_app()
    images = app.captions.images(project, version, selected(where))
    if as_json:
        print_json([{**asdict(image), "effective": image.effective} for image in images])
        return
    rows = [
        (image.image, f"{image.size[0]}x{image.size[1]}" if image.size else "", image.problem or _effective(image))
        for image in images[:limit]
    ]
    print_table(("image", "size", "caption"), rows)
    say(f"{len(images)} images. Tag editors can open: {app.captions.folder(project, version)}")


@tags.command()
@told
def add(
    project: ProjectName,
    version: VersionName,
    tags: Tags,
    front: Annotated[bool, typer.Option("--front", help="In front of the other tags.")] = False,
    where: Where = "",
    image: Images = None,
    preview: Preview = False,
    as_json: AsJson = False,
) -> None:
    """Add tags to captions that lack them."""
    edit_captions(project, version, selected(where, image), preview, as_json, kind="add", put=tags, front=front)


@tags.command()
@told
def remove(
    project: ProjectName,
    version: VersionName,
    tags: Tags,
    where: Where = "",
    image: Images = None,
    preview: Preview = False,
    as_json: AsJson = False,
) -> None:
    """Take tags out of captions."""
    edit_captions(project, version, selected(where, image), preview, as_json, kind="remove", put=tags)


@tags.command()
@told
def replace(
    project: ProjectName,
    version: VersionName,
    old: Annotated[str, typer.Argument(metavar="TAG", help="The tag as it is.")],
    new: Annotated[str, typer.Argument(metavar="TAGS", help="What takes its place.")],
    where: Where = "",
    image: Images = None,
    preview: Preview = False,
    as_json: AsJson = False,
) -> None:
    """Replace a tag by another, or by several."""
    edit_captions(project, version, selected(where, image), preview, as_json, kind="replace", find=old, put=new)


@tags.command()
@told
def pattern(
    project: ProjectName,
    version: VersionName,
    find: Annotated[str, typer.Argument(metavar="PATTERN", help="A regular expression.")],
    put: Annotated[str, typer.Argument(metavar="TEXT", help=r"What takes its place; \1 is the first bracket.")],
    any_case: Annotated[bool, typer.Option("--any-case", help="Capitals and small letters alike.")] = False,
    where: Where = "",
    image: Images = None,
    preview: Preview = False,
    as_json: AsJson = False,
) -> None:
    """Find and replace in the whole text by a regular expression."""
    chosen = selected(where, image)
    edit_captions(
        project, version, chosen, preview, as_json, kind="pattern", find=find, put=put, any_case=any_case
    )


@tags.command()
@told
def tidy(
    project: ProjectName,
    version: VersionName,
    how: Annotated[str, typer.Argument(metavar="HOW", help="sort, dedupe, spaces or underscores.")],
    commonest_first: Annotated[bool, typer.Option("--commonest-first", help="Sort so.")] = False,
    where: Where = "",
    image: Images = None,
    preview: Preview = False,
    as_json: AsJson = False,
) -> None:
    """Sort tags, take out repeated ones, or turn underscores to spaces or back."""
    from train_tools.errors import OptionValueError

    if how not in ("sort", "dedupe", "spaces", "underscores"):
        raise OptionValueError(f"{how!r} is no way to tidy. There are sort, dedupe, spaces and underscores.")
    chosen = selected(where, image)
    edit_captions(project, version, chosen, preview, as_json, kind=how, commonest_first=commonest_first)


@tags.command()
@told
def write(
    project: ProjectName,
    version: VersionName,
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="As 10_cat/tom.png.")],
    caption: Annotated[str, typer.Argument(metavar="CAPTION", help='The caption; "" takes it away.')],
) -> None:
    """Write one caption."""
    from train_tools.terminal import say

    captions = the_app().captions
    now = captions.show(project, version, image)
    written = captions.write(project, version, image, caption, now.edition)
    say(f"{image}: {_effective(written)}")


@tags.command()
@told
def undo(
    project: ProjectName,
    version: VersionName,
    edit: Number = None,
    leave_changed: LeaveChanged = False,
    as_json: AsJson = False,
) -> None:
    """Undo an edit of many captions: every file is as it was before."""
    _print_outcome(the_app().captions.undo(project, version, edit, leave_changed=leave_changed), "Undone", as_json)


@tags.command()
@told
def redo(
    project: ProjectName,
    version: VersionName,
    edit: Number = None,
    leave_changed: LeaveChanged = False,
    as_json: AsJson = False,
) -> None:
    """Do an undone edit again."""
    outcome = the_app().captions.redo(project, version, edit, leave_changed=leave_changed)
    _print_outcome(outcome, "Done again", as_json)


@tags.command()
@told
def history(project: ProjectName, version: VersionName, as_json: AsJson = False) -> None:
    """List the edits that can be undone or done again, the newest first."""
    from train_tools.terminal import print_json, print_table

    edits = the_app().captions.edits(project, version)
    if as_json:
        print_json(edits)
        return
    rows = [(str(each.number), each.state, each.what, str(each.count), each.when) for each in edits]
    print_table(("edit", "state", "what", "captions", "when"), rows)


@tags.command()
@told
def convert(
    project: ProjectName,
    version: VersionName,
    encoding: Annotated[str, typer.Argument(metavar="ENCODING", help="gbk, shift_jis, cp1251 ...")],
    where: Where = "",
    image: Images = None,
    as_json: AsJson = False,
) -> None:
    """Make UTF-8 of captions that are no Unicode, read as the encoding that you say."""
    outcome = the_app().captions.convert(project, version, encoding, selected(where, image))
    _print_outcome(outcome, "Converted", as_json)


def selected(where: str, images: list[str] | None = None) -> Selection:
    from train_tools.model.captions import Selection

    return Selection(where=where, images=frozenset(images) if images else None)


def edit_captions(
    project: str, version: str, selection: Selection, preview: bool, as_json: bool, **wanted: Any
) -> None:
    from train_tools.model.captions import CaptionEdit

    edit = CaptionEdit(**wanted)
    if preview:
        _show_preview(project, version, edit, selection, as_json)
    else:
        _print_outcome(the_app().captions.edit(project, version, edit, selection), "Changed", as_json)


def _show_preview(project: str, version: str, edit: CaptionEdit, selection: Selection, as_json: bool) -> None:
    from train_tools.terminal import print_json, print_table, say

    changes = the_app().captions.preview(project, version, edit, selection)
    if as_json:
        print_json(changes)
        return
    print_table(("image", "now", "then"), [(each.image, each.before, each.after) for each in changes[:20]])
    say(f"{len(changes)} captions would change; nothing was written.")


def _print_outcome(outcome: EditOutcome, verb: str, as_json: bool) -> None:
    from train_tools.terminal import print_json, say

    if as_json:
        print_json(outcome)
        return
    if outcome.record is None:
        say("No caption was to be changed.")
    else:
        say(f"{verb}: {outcome.changed} captions (edit {outcome.record.number}: {outcome.record.what}).")
        for image in outcome.images[:10]:
            say(f"  {image}")
        if len(outcome.images) > 10:
            say(f"  and {len(outcome.images) - 10} more; --json names all.")
    for image in outcome.left:
        say(f"Left as it is, since another program changed it: {image}", "yellow")


def _effective(image: CaptionedImage) -> str:
    return f"[{image.effective}]" if image.caption is None else image.effective
