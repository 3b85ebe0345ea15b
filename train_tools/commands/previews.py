"""Commands about the pictures that compare what was trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from train_tools.commands.border import AsJson, GridName, ProjectName, VersionName, the_app, told
from train_tools.commands.grids import show_result, submission_object
from train_tools.commands.queue import work_off

if TYPE_CHECKING:
    from train_tools.app import App
    from train_tools.model.preview import PreviewSettings

commands = typer.Typer()
N = TypeVar("N", int, float)


@commands.command()
@told
def preview(
    project: ProjectName,
    version: VersionName,
    grid: GridName = None,
    prompt: Annotated[list[str] | None, typer.Option(help="What to render; may be given several times.")] = None,
    negative: Annotated[str | None, typer.Option(help="What to keep out.")] = None,
    weights: Annotated[str | None, typer.Option(help="LoRA weights, as in 0.5,0.8,1")] = None,
    seeds: Annotated[str | None, typer.Option(help="Seeds, as in 1,2,3; -1 draws one and keeps it.")] = None,
    size: Annotated[str | None, typer.Option(help="Width and height in pixels, as in 512,768")] = None,
    steps: Annotated[int | None, typer.Option(help="Sampling steps.")] = None,
    guidance: Annotated[float | None, typer.Option(help="CFG scale.")] = None,
    renderer: Annotated[
        str | None, typer.Option(help="bundled, or webui: the one of `train-tools settings webui.url`.")
    ] = None,
    sampler: Annotated[str | None, typer.Option(help="As WebUIs call it: 'Euler a', 'DPM++ 2M Karras'")] = None,
    scheduler: Annotated[str | None, typer.Option(help="Karras, Exponential, Beta or SGM Uniform")] = None,
    clip_skip: Annotated[
        int | None, typer.Option(help="Layers of the text encoder, counted from its end.")
    ] = None,
    vae: Annotated[str | None, typer.Option(metavar="FILE", help="A VAE; '' = the base model's own.")] = None,
    embeddings: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Textual inversions that prompts name.")
    ] = None,
    images_per_cell: Annotated[int | None, typer.Option(metavar="N", help="Pictures in each place.")] = None,
    lora: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="A LoRA from elsewhere, as a row; '' = none any more.")
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUES",
            help="A setting of several values: 'sampler=Euler a,DDIM', size=512x512,512x768; steps= = no longer.",
        ),
    ] = None,
    rows: Annotated[str | None, typer.Option(help="What goes down, as in network_dim,checkpoint")] = None,
    columns: Annotated[str | None, typer.Option(help="What goes across, as in prompt,weight")] = None,
    like: Annotated[
        str | None, typer.Option(metavar="PICTURE", help="A WebUI's PNG, or its infotext, to take settings from.")
    ] = None,
    styles: Annotated[str | None, typer.Option(metavar="FILE", help="A WebUI's styles.csv.")] = None,
    style: Annotated[list[str] | None, typer.Option(metavar="NAME", help="A style of that file.")] = None,
    now: Annotated[
        str | None, typer.Option(metavar="RUN", help="The newest checkpoint of a run, also while it trains.")
    ] = None,
    only_count: Annotated[
        bool, typer.Option("--count", help="Only say what is missing and how long it takes.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait/--queue", help="Render now, or only queue it.")] = True,
    as_json: AsJson = False,
) -> None:
    """Render the missing pictures of a grid's matrix and draw it. The settings are kept for the next time."""
    from train_tools.errors import OptionValueError
    from train_tools.terminal import print_json, print_submission, say

    app = the_app()
    changes: dict[str, Any] = {
        "prompts": tuple(prompt) if prompt else None,
        "negative_prompt": negative,
        "weights": _numbers("--weights", weights, float),
        "seeds": _numbers("--seeds", seeds, int),
        "steps": steps,
        "guidance": guidance,
        "sampler": sampler,
        "renderer": renderer,
        "scheduler": scheduler,
        "clip_skip": clip_skip,
        "vae": vae,
        "embeddings": embeddings,
        "images_per_cell": images_per_cell,
        "other_loras": tuple(filter(None, lora)) if lora is not None else None,
        "rows": _words(rows),
        "columns": _words(columns),
    }
    sides = _numbers("--size", size, int)
    if sides and len(sides) > 2:
        raise OptionValueError(f"--size {size}: a width and a height are wanted, as in 512,768.")
    if sides:
        changes |= {"width_px": sides[0], "height_px": sides[-1]}
    told: list[str] = []

    def changed(settings: PreviewSettings) -> PreviewSettings:
        if like is not None:
            pasted = app.previews.like(project, version, like)
            told[:] = pasted.notes
            settings = pasted.settings
        settings = replace(settings, **{name: value for name, value in changes.items() if value is not None})
        settings = replace(settings, axes=_varied(settings.axes, vary or ()))
        return app.previews.styled(settings, Path(styles), style or ()) if styles else settings

    missing = app.previews.missing(project, version, grid, changed) if now is None else None
    if not as_json:
        for note in (*told, *([missing.sentence] if missing else [])):
            say(note)
    if only_count:
        if as_json:
            print_json({"missing": missing, "notes": told})
        return
    if now is None:
        submission = app.previews.render(project, version, grid, changed)
    else:
        app.previews.change(project, version, changed)
        submission = app.previews.render_now(project, version, now)
    failed = work_off(app, project, version, submission.grid, as_json) if wait and now is None else False
    if as_json:
        image = app.previews.matrix_image(project, version, submission.grid)
        print_json({**submission_object(submission), "missing": missing, "failed": failed, "matrix": image})
    elif wait and now is None:
        show_result(app, project, version, submission.grid)
    else:
        print_submission(submission)
    if failed:
        raise typer.Exit(1)


@commands.command()
@told
def matrix(
    project: ProjectName,
    version: VersionName,
    grid: GridName = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="FILE", help="Write it to a file: .png, .webp or .html.")
    ] = None,
    delete: Annotated[
        str | None, typer.Option(metavar="ROW,COLUMN", help="Delete the pictures there; both count from 0.")
    ] = None,
    delete_all: Annotated[
        bool, typer.Option("--delete-all", help="Delete every picture rendered for the version.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what a grid's matrix shows and what is missing; take it along, or delete its pictures."""
    from train_tools.terminal import print_json, say

    app = the_app()
    if delete is None and not delete_all:
        _show_matrix(app, project, version, grid, Path(to) if to else None, as_json)
        return
    deleted = (
        app.previews.delete_all(project, version)
        if delete is None
        else app.previews.delete(project, version, grid, *_place(delete))
    )
    if as_json:
        print_json({"deleted": deleted})
    else:
        say(f"{deleted} picture{'s' * (deleted != 1)} deleted.")


def _show_matrix(
    app: App, project: str, version: str, grid: str | None, target: Path | None, as_json: bool
) -> None:
    from train_tools.terminal import print_json, print_table, say

    shown = app.previews.matrix(project, version, grid)
    missing = app.previews.missing(project, version, grid)
    written = app.previews.export(project, version, grid, target) if target else None
    if as_json:
        print_json(
            {
                **{name: getattr(shown, name) for name in ("rows", "columns", "notes")},
                "cells": [{**asdict(cell), "rendered": cell.file.is_file()} for cell in shown.cells],
                "missing": missing,
                "file": written,
            }
        )
        return
    there = Counter(cell.row for cell in shown.cells if cell.file.is_file())
    wanted = Counter(cell.row for cell in shown.cells)
    lines = [
        (str(number), row.run, row.label, f"{there[number]} of {wanted[number]}")
        for number, row in enumerate(shown.rows)
    ]
    print_table(("row", "", "", "pictures"), lines)
    for text in (*shown.notes, missing.sentence, *([f"Written: {written}"] if written else [])):
        say(text)


def _place(text: str) -> tuple[int, int]:
    from train_tools.errors import OptionValueError

    place = _numbers("--delete", text, int) or ()
    if len(place) != 2:
        raise OptionValueError(f"--delete {text}: a row and a column are wanted, as in 1,0.")
    return place[0], place[1]


def _words(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(word.strip() for word in text.split(",") if word.strip())


def _varied(axes: Mapping[str, tuple[Any, ...]], texts: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """The axes with those of `name=values` in their place; one without values is none any more."""
    from train_tools.errors import OptionValueError

    changed = dict(axes)
    for text in texts:
        name, equals, values = text.partition("=")
        if not equals:
            raise OptionValueError(f"--vary {text}: a name and values are wanted, as in steps=20,28.")
        changed.pop(name.strip(), None)
        if values:
            changed[name.strip()] = tuple(value.strip() for value in values.split(","))
    return changed


def _numbers(name: str, text: str | None, kind: type[N]) -> tuple[N, ...] | None:
    from train_tools.errors import OptionValueError

    if text is None:
        return None
    try:
        return tuple(kind(item) for item in text.split(","))
    except ValueError:
        raise OptionValueError(f"{name} {text}: numbers with commas between them are wanted.") from None
