"""Grids of a version and their preview matrices: which pictures there are, and which are missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from train_tools.app import App
from train_tools.app.matrices import MatrixPage
from train_tools.errors import NotFoundError, OptionValueError
from train_tools.model.matrix_view import NOBODY, Axis, Expected, Fate, MatrixView, SeenCheckpoint, Sort
from train_tools.model.preview import Cell, Line, PreviewSettings
from train_tools.server.answers import Answer, Question, fresh
from train_tools.server.api.context import PictureLinks, TheApp, links_to
from train_tools.server.api.jobs import JobAnswer, job_answer

grids = APIRouter(prefix="/projects/{project}/versions/{version}/grids", tags=["previews"])
previews = APIRouter(prefix="/projects/{project}/versions/{version}/previews", tags=["previews"])
LARGEST_PICTURE = 64 * 2**20


class GridList(Answer):
    grids: tuple[str, ...]
    """Newest first."""


class RunAnswer(Answer):
    name: str
    label: str
    varied: dict[str, Any]
    """The options in which it differs from others of the grid."""
    training: bool
    """At this moment."""
    checkpoints: int


class RunList(Answer):
    runs: tuple[RunAnswer, ...]


class AxisAnswer(Answer):
    name: str
    words: str
    """What people call it; empty where its values need no word."""


class ValueAnswer(Answer):
    axis: str
    words: str
    """What people call the axis."""
    text: str


class LineAnswer(Answer):
    """A row or a column: what it says of each axis."""

    values: tuple[ValueAnswer, ...]
    base: bool
    """The base model alone: it has one picture for each combination of settings, in the group's first line."""
    checkpoint: int | None
    """Where all of its pictures show one: its place in `checkpoints`."""
    group: int
    """The first line that differs from it only in what the base model alone does not have: the base model's
    picture there stands for all of the group."""
    differs: tuple[str, ...]
    """Settings, in words, that are not those of the lines beside it and that its values do not tell."""


class CellAnswer(Answer):
    row: int
    column: int
    place: int
    """Several pictures can share a row and a column."""
    key: str
    """What decides the picture's content: equal keys, equal pictures."""
    sampled: bool
    """Painted by the trainer while it trained."""
    picture: PictureLinks | None
    """None = not rendered yet."""
    fate: Fate | None
    """What becomes of a picture that is not there."""
    job: int | None
    """That waits for it, paints it or gave it up."""
    checkpoint: int | None
    """Its place in `checkpoints`."""


class SeenAnswer(Answer):
    """A checkpoint of a matrix."""

    run: str
    name: str
    label: str
    """Of its run, for people."""
    called: str
    """Within its run: "epoch 5"."""
    epoch: int
    step: int
    final: bool
    size_bytes: int
    rating: int
    pinned: bool
    notes: str
    loss: float | None
    """The mean training loss over the last tenth of the steps that led there."""
    own: bool
    """Of this version: it can be rated, copied, put away."""


class MatrixAnswer(Answer):
    grid: str
    page: int
    pages: tuple[int, ...]
    """About how many rows each page has. Rows of the base model come with each page, first."""
    shown: int
    """Checkpoints on all pages."""
    rows: tuple[LineAnswer, ...]
    columns: tuple[LineAnswer, ...]
    row_axes: tuple[AxisAnswer, ...]
    column_axes: tuple[AxisAnswer, ...]
    axes: tuple[AxisAnswer, ...]
    """All that can be rows or columns."""
    cells: tuple[CellAnswer, ...]
    checkpoints: tuple[SeenAnswer, ...]
    """Of this page."""
    jobs: tuple[JobAnswer, ...]
    """Preview jobs of the grid that wait, run or have failed."""
    missing: int
    """On this page."""
    prompts: tuple[str, ...]
    """The different ones that the rendered pictures have."""
    seeds: tuple[str, ...]
    """All of them; larger than what a number of a page can hold."""
    told_once: tuple[str, ...]
    """What is the same in all pictures, in words."""
    notes: tuple[str, ...]
    sheet: PictureLinks | None
    """The same matrix as one picture."""


class MissingAnswer(Answer):
    pictures: int
    seconds: float | None
    """None = nothing was rendered on this machine yet."""


class Deleted(Answer):
    pictures: int


class SettingsAnswer(Answer):
    """Preview settings as version.toml has them, and what was understood otherwise than it was meant."""

    settings: dict[str, Any]
    notes: tuple[str, ...] = ()


class ChoicesAnswer(Answer):
    samplers: tuple[str, ...]
    schedulers: tuple[str, ...]
    renderers: tuple[str, ...]


class Infotext(Answer):
    text: str


class Wanted(Question):
    pictures: tuple[str, ...] = ()
    """Their keys; without any, all that are missing."""


RenderQuestion = Annotated[Wanted, Body(default_factory=Wanted)]


class Rendering(Answer):
    jobs: tuple[int, ...]
    ahead: int


def _view(
    rows: str = "",
    columns: str = "",
    sort: Sort = Sort.TRAINING,
    descending: bool = False,
    text: str = "",
    run: str = "",
    rated: int = 0,
    loss_below: float | None = None,
    steps_from: int | None = None,
    steps_to: int | None = None,
) -> MatrixView:
    """What an address asks for."""
    return MatrixView(
        rows=_names(rows),
        columns=_names(columns),
        sort=sort,
        descending=descending,
        text=text,
        run=run,
        rated=rated,
        loss_below=loss_below,
        steps_from=steps_from,
        steps_to=steps_to,
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


@grids.get("", response_model=GridList)
def list_grids(project: str, version: str, request: Request, app: TheApp) -> Response:
    return fresh(request, GridList(grids=app.grids.names(project, version)))


@grids.get("/{grid}/runs", response_model=RunList)
def list_runs(project: str, version: str, grid: str, request: Request, app: TheApp) -> Response:
    """The grid's runs, in its order."""
    found = app.matrices.runs(project, version, grid)
    return fresh(request, RunList(runs=tuple(RunAnswer(**asdict(each)) for each in found)))


@grids.get("/{grid}/matrix", response_model=MatrixAnswer)
def matrix(
    project: str,
    version: str,
    grid: str,
    request: Request,
    app: TheApp,
    view: Annotated[MatrixView, Depends(_view)],
    page: Annotated[int, Query(ge=0, lt=2**31)] = 0,
) -> Response:
    """A page of the matrix: whole runs, about 50 checkpoints. `rows` and `columns` name axes, with commas, in the
    place of the settings' own; rows are put in order by `sort` and left out by the rest."""
    sheet = app.previews.matrix_image(project, version, grid)
    found = app.matrices.page(project, version, grid, view, page)
    return fresh(request, _matrix(app, found, None if sheet is None else links_to(app, sheet)))


@grids.get("/{grid}/missing", response_model=MissingAnswer)
def missing(project: str, version: str, grid: str, request: Request, app: TheApp) -> Response:
    """What rendering the missing pictures would cost."""
    found = app.previews.missing(project, version, grid)
    return fresh(request, MissingAnswer(pictures=found.pictures, seconds=found.seconds))


@grids.post("/{grid}/render", status_code=201)
def render_missing(project: str, version: str, grid: str, asked: RenderQuestion, app: TheApp) -> Rendering:
    """Queues the rendering of the pictures that are missing, or of some of them."""
    queued = app.previews.render(project, version, grid, pictures=asked.pictures)
    return Rendering(jobs=queued.jobs, ahead=queued.ahead)


@grids.delete("/{grid}/matrix/{row}/{column}")
def delete_pictures(project: str, version: str, grid: str, row: int, column: int, app: TheApp) -> Deleted:
    """Deletes the pictures of one cell."""
    return Deleted(pictures=app.previews.delete(project, version, grid, row, column))


@previews.delete("")
def delete_all(project: str, version: str, app: TheApp) -> Deleted:
    """Deletes every picture that was rendered for the version."""
    return Deleted(pictures=app.previews.delete_all(project, version))


@previews.post("/now/{run}", status_code=201)
def render_now(project: str, version: str, run: str, app: TheApp) -> Rendering:
    """Queues the newest checkpoint of a run that may still be training."""
    queued = app.previews.render_now(project, version, run)
    return Rendering(jobs=queued.jobs, ahead=queued.ahead)


@previews.get("/settings", response_model=SettingsAnswer)
def read_settings(project: str, version: str, request: Request, app: TheApp) -> Response:
    return fresh(request, _settings(app.previews.settings(project, version)))


@previews.patch("/settings")
def change_settings(project: str, version: str, changes: dict[str, Any], app: TheApp) -> SettingsAnswer:
    """Changes some of the preview settings."""
    return _settings(app.previews.change_fields(project, version, changes))


@previews.post("/settings/infotext")
def read_infotext(project: str, version: str, pasted: Infotext, app: TheApp) -> SettingsAnswer:
    """The settings as a WebUI's infotext has them. Nothing is kept: PATCH them when they are meant."""
    found = app.previews.pasted(project, version, pasted.text)
    return _settings(found.settings, found.notes)


@previews.post("/settings/picture")
async def read_picture(project: str, version: str, request: Request, app: TheApp) -> SettingsAnswer:
    """The same from a picture of a WebUI: the body is the file."""
    content = b""
    async for piece in request.stream():
        content += piece
        if len(content) > LARGEST_PICTURE:
            raise OptionValueError(f"A picture of more than {LARGEST_PICTURE // 2**20} MB is not read.")
    found = await run_in_threadpool(app.previews.dropped, project, version, content)
    return _settings(found.settings, found.notes)


@previews.get("/choices", response_model=ChoicesAnswer)
def choices(project: str, version: str, request: Request, app: TheApp) -> Response:
    """What settings can be chosen from."""
    return fresh(
        request,
        ChoicesAnswer(
            samplers=app.previews.samplers, schedulers=app.previews.schedulers, renderers=tuple(app.renderers)
        ),
    )


def _settings(settings: PreviewSettings, notes: tuple[str, ...] = ()) -> SettingsAnswer:
    return SettingsAnswer(settings=asdict(settings), notes=notes)


def _matrix(app: App, found: MatrixPage, sheet: PictureLinks | None) -> MatrixAnswer:
    matrix, places = found.matrix, {seen.checkpoint.path: at for at, seen in enumerate(found.checkpoints)}
    cells = tuple(_cell(app, cell, found.expected, places) for cell in matrix.cells)
    shown: list[set[int | None]] = [set() for _ in matrix.rows]
    for cell in cells:
        shown[cell.row].add(cell.checkpoint)
    return MatrixAnswer(
        grid=found.grid,
        page=found.page,
        pages=found.pages,
        shown=found.shown,
        rows=tuple(map(_line, matrix.rows, found.alike.rows, found.row_groups, map(_only, shown))),
        columns=tuple(map(_line, matrix.columns, found.alike.columns, found.column_groups)),
        row_axes=tuple(map(_axis, found.row_axes)),
        column_axes=tuple(map(_axis, found.column_axes)),
        axes=tuple(map(_axis, found.axes)),
        cells=cells,
        checkpoints=tuple(map(_seen, found.checkpoints)),
        jobs=tuple(map(job_answer, found.jobs)),
        missing=sum(cell.fate is not None for cell in cells),
        prompts=found.alike.prompts,
        seeds=tuple(map(str, found.alike.seeds)),
        told_once=app.previews.told_once(matrix),
        notes=matrix.notes,
        sheet=sheet,
    )


def _only(places: set[int | None]) -> int | None:
    """The one checkpoint; samples, which show none, don't count."""
    known = places - {None}
    return known.pop() if len(known) == 1 else None


def _axis(axis: Axis) -> AxisAnswer:
    return AxisAnswer(name=axis.name, words=axis.words)


def _seen(seen: SeenCheckpoint) -> SeenAnswer:
    checkpoint, marks = seen.checkpoint, seen.marks
    return SeenAnswer(
        run=checkpoint.run,
        name=checkpoint.name,
        label=seen.label,
        called=seen.called,
        epoch=checkpoint.epoch,
        step=checkpoint.step,
        final=checkpoint.final,
        size_bytes=checkpoint.size_bytes,
        rating=marks.rating,
        pinned=marks.pinned,
        notes=marks.notes,
        loss=seen.loss,
        own=seen.own,
    )


def _line(line: Line, differs: tuple[str, ...], group: int, checkpoint: int | None = None) -> LineAnswer:
    values = tuple(ValueAnswer(axis=value.axis, words=value.words, text=value.text) for value in line.values)
    return LineAnswer(values=values, base=line.is_base, checkpoint=checkpoint, group=group, differs=differs)


def _cell(app: App, cell: Cell, expected: Mapping[str, Expected], places: Mapping[Path, int]) -> CellAnswer:
    try:
        picture = links_to(app, cell.file)
    except NotFoundError:
        picture = None
    missing = picture is None and not cell.sampled
    told = expected.get(cell.picture.key, NOBODY) if missing else None
    return CellAnswer(
        row=cell.row,
        column=cell.column,
        place=cell.place,
        key=cell.picture.key,
        sampled=cell.sampled,
        picture=picture,
        fate=told.fate if told else None,
        job=told.job.id if told and told.job else None,
        checkpoint=places.get(cell.checkpoint) if cell.checkpoint else None,
    )


router = APIRouter()
router.include_router(grids)
router.include_router(previews)
