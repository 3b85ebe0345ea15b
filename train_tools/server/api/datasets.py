"""A version's dataset: what would be trained on now, importing pictures into it, and preparing them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from train_tools.app import App
from train_tools.errors import DatasetNotUsableError
from train_tools.model.dataset import DatasetFolder, MaskReport, Rejected, TrainingImage
from train_tools.server.answers import Answer, Question, fresh
from train_tools.server.api.context import PictureLinks, TheApp, links_to
from train_tools.server.api.jobs import JobAnswer, JobList, job_answer

MOST_IMAGES = 1000
MOST_MASK_BYTES = 32 * 1024**2

router = APIRouter(prefix="/projects/{project}/versions/{version}/dataset", tags=["datasets"])


class Problem(Answer):
    source: str
    reason: str


class FolderAnswer(Answer):
    name: str
    path: Path
    """Absolute: for tag editors and other tools."""
    repeats: int
    class_name: str
    images: int


class ImageAnswer(PictureLinks):
    name: str
    caption: str


class DatasetAnswer(Answer):
    folder: Path
    """Absolute: where the training folders lie."""
    images: int
    captions: int
    images_per_epoch: int
    folders: tuple[FolderAnswer, ...]
    regularisation: tuple[FolderAnswer, ...]
    problems: tuple[Problem, ...]
    shown_from: int
    shown: tuple[ImageAnswer, ...]
    """The images from `offset`, at most `limit`, folder by folder."""


class SummaryAnswer(Answer):
    folder: Path
    """Absolute: where the training folders lie."""
    images: int
    captions: int
    images_per_epoch: int
    originals: int


class Sources(Question):
    paths: tuple[str, ...]
    """Absolute paths of files, folders or zip files on the machine that Train Tools runs on."""
    encoding: str | None = None
    """That of captions which are no Unicode; they become UTF-8."""


class ImportNames(Answer):
    imports: tuple[str, ...]
    """Newest first."""


@router.get("", response_model=DatasetAnswer)
def show(
    project: str,
    version: str,
    request: Request,
    app: TheApp,
    offset: int = Query(0, ge=0),
    limit: int = Query(100, ge=0, le=MOST_IMAGES),
) -> Response:
    dataset = app.versions.dataset(project, version)
    images = [image for folder in dataset.folders for image in folder.images]
    folder = next(each for each in app.store.versions(project) if each.name == version).paths.processed
    answer = DatasetAnswer(
        folder=folder,
        images=dataset.image_count,
        captions=sum(bool(image.caption) for image in images),
        images_per_epoch=dataset.images_per_epoch,
        folders=_folders(dataset.folders),
        regularisation=_folders(dataset.regularisation),
        problems=_problems(dataset.problems),
        shown_from=offset,
        shown=tuple(_image(app, image) for image in images[offset : offset + limit]),
    )
    return fresh(request, answer)


@router.get("/jobs", response_model=JobList)
def list_jobs(project: str, version: str, request: Request, app: TheApp) -> Response:
    """What works on its pictures or waits for that, then the last of each kind that has ended."""
    return fresh(request, JobList(jobs=tuple(map(job_answer, app.datasets.jobs(project, version)))))


class OriginalAnswer(Answer):
    name: str
    """Below origin, with the concept's folder."""
    thumb: str
    full: str


class OriginalPage(Answer):
    images: int
    shown_from: int
    shown: tuple[OriginalAnswer, ...]


@router.get("/originals", response_model=OriginalPage)
def originals(
    project: str,
    version: str,
    request: Request,
    app: TheApp,
    offset: int = Query(0, ge=0),
    limit: int = Query(100, ge=0, le=MOST_IMAGES),
) -> Response:
    """The pictures as they came, in the order in which they are prepared."""
    found = app.versions.originals(project, version)
    origin = app.versions.paths(project, version).origin
    shown = tuple(_original(app, origin, each) for each in found[offset : offset + limit])
    return fresh(request, OriginalPage(images=len(found), shown_from=offset, shown=shown))


@router.get("/summary", response_model=SummaryAnswer)
def summary(project: str, version: str, request: Request, app: TheApp) -> Response:
    """How much there is, quickly: no picture is opened that was seen before."""
    images = app.captions.images(project, version)
    answer = SummaryAnswer(
        folder=app.captions.folder(project, version),
        images=len(images),
        captions=sum(image.caption is not None for image in images),
        images_per_epoch=sum(image.repeats for image in images),
        originals=len(app.versions.originals(project, version)),
    )
    return fresh(request, answer)


@router.post("/import", status_code=202)
def import_images(project: str, version: str, sources: Sources, app: TheApp) -> JobAnswer:
    """Queues a job that copies pictures and their captions into the version; nothing is taken away from where they
    lie. It waits for no training."""
    paths = [Path(path) for path in sources.paths]
    return job_answer(app.datasets.import_later(project, version, paths, sources.encoding))


@router.get("/imports")
def list_imports(project: str, version: str, app: TheApp) -> ImportNames:
    """What was imported till now, by the names of the reports."""
    return ImportNames(imports=tuple(app.datasets.imports(project, version)))


@router.get("/imports/{name}")
def show_import(project: str, version: str, name: str, app: TheApp) -> dict[str, Any]:
    """What an import did, and what it left out, by reason."""
    return app.datasets.import_report(project, version, name)


@router.post("/prepare", status_code=202)
def prepare(project: str, version: str, app: TheApp) -> JobAnswer:
    """Queues a job that makes the training images from the originals, with the version's settings. It waits for no
    training."""
    return job_answer(app.datasets.prepare_later(project, version))


class MasksAnswer(Answer):
    images: int
    masked: int
    written: int
    problems: tuple[Problem, ...]
    """Masks that fit no training image, and why."""


class MaskSources(Question):
    paths: tuple[str, ...] = ()
    """Files or folders on the machine that Train Tools runs on; none = what is transparent in the images."""


@router.get("/masks")
def show_masks(project: str, version: str, app: TheApp) -> MasksAnswer:
    return _masks(app.versions.masks(project, version))


@router.post("/masks")
def make_masks(project: str, version: str, sources: MaskSources, app: TheApp) -> MasksAnswer:
    """Takes in masks by their stems, or makes them of what is transparent."""
    if sources.paths:
        return _masks(app.versions.import_masks(project, version, [Path(path) for path in sources.paths]))
    return _masks(app.versions.masks_from_opacity(project, version))


@router.put("/masks/{image:path}", status_code=204)
async def put_mask(project: str, version: str, image: str, request: Request, app: TheApp) -> None:
    """The body, a PNG file of the image's shape, becomes its mask: white counts, black does not. What is kept is
    drawn anew from it."""
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > MOST_MASK_BYTES:
            raise DatasetNotUsableError(f"A mask of more than {MOST_MASK_BYTES // 1024**2} MB is not taken.")
    await run_in_threadpool(app.versions.write_mask, project, version, image, bytes(content))


@router.delete("/masks/{image:path}", status_code=204)
def remove_mask(project: str, version: str, image: str, app: TheApp) -> None:
    """All of the image counts again."""
    app.versions.remove_mask(project, version, image)


def _masks(report: MaskReport) -> MasksAnswer:
    return MasksAnswer(
        images=report.images,
        masked=report.masked,
        written=report.written,
        problems=_problems(report.problems),
    )


def _folders(folders: tuple[DatasetFolder, ...]) -> tuple[FolderAnswer, ...]:
    return tuple(
        FolderAnswer(
            name=folder.path.name,
            path=folder.path,
            repeats=folder.repeats,
            class_name=folder.class_name,
            images=len(folder.images),
        )
        for folder in folders
    )


def _image(app: App, image: TrainingImage) -> ImageAnswer:
    links = links_to(app, image.path)
    return ImageAnswer(name=image.path.name, caption=image.caption, thumb=links.thumb, full=links.full)


def _original(app: App, origin: Path, path: Path) -> OriginalAnswer:
    links = links_to(app, path)
    return OriginalAnswer(name=path.relative_to(origin).as_posix(), thumb=links.thumb, full=links.full)


def _problems(problems: tuple[Rejected, ...]) -> tuple[Problem, ...]:
    return tuple(Problem(source=each.source, reason=each.reason) for each in problems)
