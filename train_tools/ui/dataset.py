"""The Dataset screen: bringing pictures in, preparing them, and what would be trained on now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from train_tools.app import App
from train_tools.model.dataset import ImportReport, Rejected
from train_tools.model.preparation import AUTOMATIC_REPEATS, Preparation, PreparationReport
from train_tools.ui.islands import island
from train_tools.ui.place import Place, chosen_in, on

MOST_LISTED = 20


def screen(app: App, here: Place) -> None:
    """Builds the tab's content."""
    island("tt-dataset")
    with gr.Row(elem_classes="tt-forms"):
        with gr.Column():
            _import_form(app, here)
        with gr.Column():
            _preparation_form(app, here)


def _import_form(app: App, here: Place) -> None:
    gr.Markdown("### Bring pictures in")
    source = gr.Textbox(
        label="Path on this machine",
        info="A folder, a zip or a picture; captions beside the pictures come along. Several: one a line.",
        lines=2,
        elem_id="import-path",
    )
    start = gr.Button("Import", elem_id="import")
    report = gr.Textbox(label="What came in", visible=False, interactive=False, elem_id="import-report")
    on(here, start.click, _importer(app), [here.told, source], [source, report], show_progress="minimal")


def _importer(app: App) -> Callable[[str, str], list[Any]]:
    def import_images(place: str, paths: str) -> list[Any]:
        sources = [Path(line.strip()).expanduser() for line in paths.splitlines() if line.strip()]
        report = app.versions.import_images(*chosen_in(place), sources)
        return ["", gr.Textbox("\n".join(_imported(report)), visible=True)]

    return import_images


def _preparation_form(app: App, here: Place) -> None:
    gr.Markdown("### Make training images of them")
    with gr.Row():
        width = gr.Number(label="Width", precision=0, step=64, minimum=64, maximum=4096, min_width=80)
        height = gr.Number(label="Height", precision=0, step=64, minimum=64, maximum=4096, min_width=80)
        repeats = gr.Number(label="Repeats", info="empty = automatic", precision=0, minimum=1, min_width=80)
    with gr.Row():
        class_name = gr.Textbox(label="Class", info="empty = the project's name", max_lines=1, min_width=120)
        background = gr.Textbox(label="Background", info="behind transparency", max_lines=1, min_width=120)
    mirrored = gr.Checkbox(label="Add mirrored copies")
    start = gr.Button("Prepare", variant="primary", elem_id="prepare")
    report = gr.Textbox(label="What came out", visible=False, interactive=False, elem_id="prepare-report")
    form = [width, height, repeats, class_name, background, mirrored]
    on(here, here.told.change, _reader(app), [here.told], form)
    on(here, start.click, _preparer(app), [here.told, *form], [report], show_progress="minimal")


def _reader(app: App) -> Callable[[str], Sequence[Any]]:
    def read(place: str) -> Sequence[Any]:
        project, version = chosen_in(place)
        stored = app.versions.settings(project, version).preparation if project and version else Preparation()
        repeats = None if stored.repeats == AUTOMATIC_REPEATS else stored.repeats
        return (
            stored.width_px,
            stored.height_px,
            repeats,
            stored.class_name,
            stored.background,
            stored.mirrored_copies,
        )

    return read


def _preparer(app: App) -> Callable[..., list[Any]]:
    def prepare(
        place: str,
        width: int | None,
        height: int | None,
        repeats: int | None,
        class_name: str,
        background: str,
        mirrored: bool,
    ) -> list[Any]:
        project, version = chosen_in(place)
        stored = app.versions.settings(project, version)
        asked = replace(
            stored.preparation,
            width_px=width or 0,
            height_px=height or 0,
            repeats=repeats or AUTOMATIC_REPEATS,
            class_name=class_name,
            background=background,
            mirrored_copies=mirrored,
        )
        app.versions.save_settings(project, version, replace(stored, preparation=asked))
        report = app.versions.prepare(project, version)
        return [gr.Textbox("\n".join(_prepared(report)), visible=True)]

    return prepare


def _imported(report: ImportReport) -> Iterator[str]:
    yield f"{report.images} images and {report.captions} captions came in."
    if report.already_there:
        yield f"{len(report.already_there)} were here already."
    for source, name in report.renamed[:MOST_LISTED]:
        yield f"{source} is called {name} here."
    yield from _listed("not imported", report.rejected)


def _prepared(report: PreparationReport) -> Iterator[str]:
    yield f"{report.images} training images and {report.captions} captions, from {report.originals} originals."
    yield f"Each is seen {report.repeats} times an epoch. They lie in {report.folder}"
    if report.kept_captions:
        yield f"{len(report.kept_captions)} captions that were edited there were kept."
    yield from _listed("left out", report.skipped)


def _listed(what: str, rejected: Sequence[Rejected]) -> Iterator[str]:
    for each in rejected[:MOST_LISTED]:
        yield f"{each.source}: {what}. {each.reason}"
    if len(rejected) > MOST_LISTED:
        yield f"... and {len(rejected) - MOST_LISTED} more."
