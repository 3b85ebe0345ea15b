"""The header: which project and version the page shows, and making new ones. The address holds the place, so
that a reload, a bookmark or another tab comes back to it."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from train_tools.app import USER_ERRORS, App
from train_tools.ui.islands import fact_of, island, markup

PLACE, NOTE = "tt-place", "tt-note"


@dataclass(frozen=True, kw_only=True)
class Place:
    """The header's components: what every other screen reads."""

    project: gr.Dropdown
    version: gr.Dropdown
    told: gr.Markdown
    """Tells the islands, and the address bar, what was chosen."""
    note: gr.Markdown
    """Says what was refused, on every screen."""

    @property
    def all(self) -> list[Any]:
        return [self.project, self.version, self.told]


def header(app: App) -> Place:
    """Builds the header and what its controls do."""
    with gr.Row(elem_id="head"):
        island("tt-status")
        project = gr.Dropdown([], label="Project", interactive=True, elem_id="project")
        version = gr.Dropdown([], label="Version", interactive=True, elem_id="version")
        fold = gr.Button("New …", elem_id="new", size="sm", scale=0, min_width=80)
    with gr.Row(visible=False, elem_id="new-names") as names:
        new_project = gr.Textbox(label="Name of a new project", placeholder="the LoRA's name", max_lines=1)
        make_project = gr.Button("Create project", size="sm", scale=0, min_width=140)
        new_version = gr.Textbox(label="Name of a new version", placeholder="v2", max_lines=1)
        make_version = gr.Button("Create version", size="sm", scale=0, min_width=140)
    here = Place(project=project, version=version, told=island(PLACE), note=island(NOTE))
    _follow(app, here)
    hidden = gr.Checkbox(False, visible=False)
    on(here, fold.click, lambda shown: (gr.Row(visible=not shown), not shown), [hidden], [names, hidden])
    for start in (make_project.click, new_project.submit):
        on(here, start, _project_maker(app), [new_project], [*here.all, new_project])
    for start in (make_version.click, new_version.submit):
        on(here, start, _version_maker(app), [here.told, new_version], [*here.all, new_version])
    return here


def on_opening(app: App, page: gr.Blocks, here: Place) -> None:
    """The page opens at the place in its address, else at the one chosen last."""

    def opened(request: gr.Request) -> list[Any]:
        asked = request.query_params
        last = app.store.last_choice()
        return showing(app, asked.get("project") or last.project, asked.get("version") or last.version)

    on(here, page.load, opened, [], here.all)


def showing(app: App, project: str | None, version: str | None) -> list[Any]:
    """Values of the header for a place; what is not there gives way to the newest there is."""
    projects = [each.name for each in app.store.list()]
    project = project if project in projects else next(iter(projects), None)
    versions = [each.name for each in app.store.versions(project)] if project else []
    version = version if version in versions else next(iter(versions), None)
    return [
        gr.Dropdown(choices=projects, value=project),
        gr.Dropdown(choices=versions, value=version),
        markup(PLACE, {"project": project, "version": version}),
    ]


def chosen_in(told: str) -> tuple[str, str]:
    """Project and version in what `Place.told` holds; "" where none is chosen.

    Handlers ask this and not the dropdowns, whose values come late to a change event.
    """
    place = fact_of(told) or {}
    return place.get("project") or "", place.get("version") or ""


def _follow(app: App, here: Place) -> None:
    def project_chosen(project: str | None) -> list[Any]:
        if project:
            app.store.choose(project)
        return showing(app, project, None)

    def version_chosen(project: str | None, version: str | None) -> list[Any]:
        if project and version:
            app.store.choose(project, version)
        return showing(app, project, version)

    # As sent: Gradio would check a choice against the list it remembers, which is empty once the service has been
    # started again under an open page. `showing` knows what there is.
    on(here, here.project.input, project_chosen, [here.project], here.all, preprocess=False)
    on(here, here.version.input, version_chosen, [here.project, here.version], here.all, preprocess=False)


def _project_maker(app: App) -> Callable[[str], list[Any]]:
    def make(name: str) -> list[Any]:
        project = app.create_project(name)
        version = app.create_version(project.name, "v1")
        return [*showing(app, project.name, version.name), ""]

    return make


def _version_maker(app: App) -> Callable[[str, str], list[Any]]:
    def make(place: str, name: str) -> list[Any]:
        version = app.create_version(chosen_in(place)[0], name)
        return [*showing(app, version.project, version.name), ""]

    return make


def on(
    here: Place,
    event: Callable[..., Any],
    do: Callable[..., Sequence[Any]],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    *,
    show_progress: str = "hidden",
    preprocess: bool = True,
) -> None:
    """Does `do` on an event and shows what it returns; a user error changes nothing and is said in the note,
    also when the same one is said again.

    Without Gradio's queue: no stream stays open, and a proxy has less to carry.
    """
    event(
        _told(do, len(outputs)),
        list(inputs),
        [*outputs, here.note],
        queue=False,
        show_progress=show_progress,
        preprocess=preprocess,
        api_visibility="private",
    )


def _told(do: Callable[..., Sequence[Any]], outputs: int) -> Callable[..., list[Any]]:
    @functools.wraps(do)
    def told(*given: Any) -> list[Any]:
        try:
            return [*do(*given), markup(NOTE)]
        except USER_ERRORS as error:
            return [gr.skip()] * outputs + [markup(NOTE, {"sentence": str(error), "at": time.time_ns()})]

    return told
