"""Grids of a version and their preview matrices: which pictures there are, and which are missing."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from train_tools.app import App
from train_tools.errors import NotFoundError
from train_tools.model.preview import Cell, PreviewMatrix
from train_tools.server.answers import Answer, fresh
from train_tools.server.api.context import PictureLinks, TheApp, links_to

router = APIRouter(prefix="/projects/{project}/versions/{version}/grids", tags=["previews"])


class GridList(Answer):
    grids: tuple[str, ...]
    """Newest first."""


class RowAnswer(Answer):
    run: str
    label: str
    base: bool
    """The base model alone: it has one picture for each prompt and seed, in the group's first column."""


class ColumnAnswer(Answer):
    prompt: str
    seed: int
    weight: float


class CellAnswer(Answer):
    row: int
    column: int
    picture: PictureLinks | None
    """None = not rendered yet."""


class MatrixAnswer(Answer):
    grid: str
    rows: tuple[RowAnswer, ...]
    columns: tuple[ColumnAnswer, ...]
    cells: tuple[CellAnswer, ...]
    missing: int
    width_px: int
    height_px: int
    negative_prompt: str
    steps: int
    guidance: float
    sampler: str
    sheet: PictureLinks | None
    """The same matrix as one picture."""


class Rendering(Answer):
    jobs: tuple[int, ...]
    ahead: int


@router.get("", response_model=GridList)
def list_grids(project: str, version: str, request: Request, app: TheApp) -> Response:
    return fresh(request, GridList(grids=app.grids.names(project, version)))


@router.get("/{grid}/matrix", response_model=MatrixAnswer)
def matrix(project: str, version: str, grid: str, request: Request, app: TheApp) -> Response:
    sheet = app.previews.matrix_image(project, version, grid)
    answer = _matrix(
        app, grid, app.previews.matrix(project, version, grid), None if sheet is None else links_to(app, sheet)
    )
    return fresh(request, answer)


@router.post("/{grid}/render", status_code=201)
def render_missing(project: str, version: str, grid: str, app: TheApp) -> Rendering:
    """Queues the rendering of the pictures that are missing."""
    queued = app.previews.render(project, version, grid)
    return Rendering(jobs=queued.jobs, ahead=queued.ahead)


def _matrix(app: App, grid: str, matrix: PreviewMatrix, sheet: PictureLinks | None) -> MatrixAnswer:
    cells = tuple(_cell(app, cell) for cell in matrix.cells)
    settings = matrix.settings
    return MatrixAnswer(
        grid=grid,
        rows=tuple(RowAnswer(run=row.run, label=row.label, base=row.checkpoint is None) for row in matrix.rows),
        columns=tuple(
            ColumnAnswer(prompt=each.prompt, seed=each.seed, weight=each.weight) for each in matrix.columns
        ),
        cells=cells,
        missing=sum(cell.picture is None for cell in cells),
        width_px=settings.width_px,
        height_px=settings.height_px,
        negative_prompt=settings.negative_prompt,
        steps=settings.steps,
        guidance=settings.guidance,
        sampler=settings.sampler,
        sheet=sheet,
    )


def _cell(app: App, cell: Cell) -> CellAnswer:
    try:
        picture = links_to(app, cell.file)
    except NotFoundError:
        picture = None
    return CellAnswer(row=cell.row, column=cell.column, picture=picture)
