"""Grids of a version and their preview matrices: which pictures there are, and which are missing."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from train_tools.app import App
from train_tools.app.previews import MatrixPage
from train_tools.errors import NotFoundError
from train_tools.model.preview import Cell, Line, PreviewSettings
from train_tools.server.answers import Answer, fresh
from train_tools.server.api.context import PictureLinks, TheApp, links_to

grids = APIRouter(prefix="/projects/{project}/versions/{version}/grids", tags=["previews"])
previews = APIRouter(prefix="/projects/{project}/versions/{version}/previews", tags=["previews"])
PAGE, MOST_CHECKPOINTS = 100, 10_000


class GridList(Answer):
    grids: tuple[str, ...]
    """Newest first."""


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


class CellAnswer(Answer):
    row: int
    column: int
    place: int
    """Several pictures can share a row and a column."""
    sampled: bool
    """Painted by the trainer while it trained."""
    picture: PictureLinks | None
    """None = not rendered yet."""


class MatrixAnswer(Answer):
    grid: str
    rows: tuple[LineAnswer, ...]
    columns: tuple[LineAnswer, ...]
    cells: tuple[CellAnswer, ...]
    missing: int
    """On this page."""
    checkpoints: int
    """In the whole matrix, of which this may be a page."""
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


class Infotext(Answer):
    text: str


class Rendering(Answer):
    jobs: tuple[int, ...]
    ahead: int


@grids.get("", response_model=GridList)
def list_grids(project: str, version: str, request: Request, app: TheApp) -> Response:
    return fresh(request, GridList(grids=app.grids.names(project, version)))


@grids.get("/{grid}/matrix", response_model=MatrixAnswer)
def matrix(
    project: str,
    version: str,
    grid: str,
    request: Request,
    app: TheApp,
    first: Annotated[int, Query(ge=0)] = 0,
    count: Annotated[int, Query(ge=1, le=MOST_CHECKPOINTS)] = PAGE,
) -> Response:
    """The matrix, or so many of its checkpoints (with all others of their runs) from the first on."""
    sheet = app.previews.matrix_image(project, version, grid)
    page = app.previews.page(project, version, grid, first=first, count=count)
    return fresh(request, _matrix(app, grid, page, None if sheet is None else links_to(app, sheet)))


@grids.get("/{grid}/missing", response_model=MissingAnswer)
def missing(project: str, version: str, grid: str, request: Request, app: TheApp) -> Response:
    """What rendering the missing pictures would cost."""
    found = app.previews.missing(project, version, grid)
    return fresh(request, MissingAnswer(pictures=found.pictures, seconds=found.seconds))


@grids.post("/{grid}/render", status_code=201)
def render_missing(project: str, version: str, grid: str, app: TheApp) -> Rendering:
    """Queues the rendering of the pictures that are missing."""
    queued = app.previews.render(project, version, grid)
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


def _settings(settings: PreviewSettings, notes: tuple[str, ...] = ()) -> SettingsAnswer:
    return SettingsAnswer(settings=asdict(settings), notes=notes)


def _matrix(app: App, grid: str, page: MatrixPage, sheet: PictureLinks | None) -> MatrixAnswer:
    matrix = page.matrix
    cells = tuple(_cell(app, cell) for cell in matrix.cells)
    return MatrixAnswer(
        grid=grid,
        rows=tuple(map(_line, matrix.rows)),
        columns=tuple(map(_line, matrix.columns)),
        cells=cells,
        missing=sum(cell.picture is None and not cell.sampled for cell in cells),
        checkpoints=page.checkpoints,
        told_once=app.previews.told_once(matrix),
        notes=matrix.notes,
        sheet=sheet,
    )


def _line(line: Line) -> LineAnswer:
    values = tuple(ValueAnswer(axis=value.axis, words=value.words, text=value.text) for value in line.values)
    return LineAnswer(values=values, base=line.is_base)


def _cell(app: App, cell: Cell) -> CellAnswer:
    try:
        picture = links_to(app, cell.file)
    except NotFoundError:
        picture = None
    return CellAnswer(row=cell.row, column=cell.column, place=cell.place, sampled=cell.sampled, picture=picture)


router = APIRouter()
router.include_router(grids)
router.include_router(previews)
