"""The checkpoints of a version: the files that people keep, their marks, and what becomes of them. A checkpoint is
named by its run and its name; no path is taken from outside."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from fastapi import APIRouter, Request
from pydantic import StrictBool, StrictInt
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response

from train_tools.model.checkpoint import Checkpoint, Keep, KeepBy, MarkedCheckpoint, Marks, Parting
from train_tools.model.project import Trashed
from train_tools.model.settings import CopySettings
from train_tools.server.answers import Answer, Question, fresh
from train_tools.server.api.context import PictureLinks, TheApp, links_to

router = APIRouter(prefix="/projects/{project}/versions/{version}/checkpoints", tags=["checkpoints"])
ONE = "/{run}/{name}"
BYTES = "application/octet-stream"


class MarksAnswer(Answer):
    rating: int
    """1 to 5; 0 is none."""
    pinned: bool
    notes: str


class CheckpointAnswer(MarksAnswer):
    run: str
    name: str
    path: Path
    """Absolute."""
    size_bytes: int
    modified: float
    epoch: int
    step: int
    final: bool


class CheckpointList(Answer):
    checkpoints: tuple[CheckpointAnswer, ...]


class TagAnswer(Answer):
    tag: str
    count: int


class DetailsAnswer(CheckpointAnswer):
    sha256: str
    tensors_sha256: str
    trigger: tuple[str, ...]
    base_model: str
    family: str
    tags: tuple[TagAnswer, ...]
    metadata: Mapping[str, str]
    """Cut where they are endless, without control characters."""
    images: tuple[PictureLinks, ...]
    edits: int
    """How many can be undone."""


class MarksQuestion(Question):
    """What is left out stays."""

    rating: StrictInt | None = None
    pinned: StrictBool | None = None
    notes: str | None = None


class Chosen(Question):
    checkpoints: tuple[str, ...]
    """Each as `<run>/<name>`."""


class KeepQuestion(Question):
    rated: StrictInt = 0
    best: StrictInt = 0
    by: KeepBy = KeepBy.STARS
    each_run: StrictBool = False
    grid: str = ""
    """Whose scores count; empty = the newest one's."""
    scores: Mapping[str, float] = {}
    finals: StrictBool = True


class PartingAnswer(Answer):
    going: tuple[str, ...]
    staying: tuple[str, ...]
    size_bytes: int
    freed_bytes: int
    token: str
    """Brings them back; "" while nothing was moved."""
    notes: tuple[str, ...]


class TrashedAnswer(Answer):
    token: str
    what: str
    trashed: datetime
    size_bytes: int


class TrashList(Answer):
    trashed: tuple[TrashedAnswer, ...]


class RestoredAnswer(Answer):
    files: tuple[Path, ...]


class EditQuestion(Question):
    changes: Mapping[str, str | None]
    """Keys with their new texts; null takes one out."""


class EditAnswer(Answer):
    number: int
    edited: datetime
    changes: Mapping[str, str | None]


class EditList(Answer):
    edits: tuple[EditAnswer, ...]


class CopyQuestion(Question):
    folder: str = ""
    """Empty = the one of the settings (`copies.folder`)."""
    name: str = ""
    weight: float = 0.0
    link: StrictBool = False


class DeliveredAnswer(Answer):
    path: Path
    beside: tuple[Path, ...]
    linked: bool
    was_there: bool
    notes: tuple[str, ...]


@router.get("", response_model=CheckpointList)
def list_checkpoints(project: str, version: str, request: Request, app: TheApp) -> Response:
    found = tuple(_checkpoint(each) for each in app.checkpoints.list(project, version))
    return fresh(request, CheckpointList(checkpoints=found))


@router.post("/trash")
def trash(project: str, version: str, chosen: Chosen, app: TheApp) -> PartingAnswer:
    """Puts them away with their previews, all or none."""
    return _parting(app.checkpoints.trash(project, version, *chosen.checkpoints))


@router.get("/trash")
def trashed(project: str, version: str, app: TheApp) -> TrashList:
    found = app.checkpoints.trashed(project, version)
    return TrashList(trashed=tuple(_trashed(each) for each in found))


@router.post("/trash/{token}/restore")
def restore(project: str, version: str, token: str, app: TheApp) -> RestoredAnswer:
    return RestoredAnswer(files=app.checkpoints.restore(token))


@router.post("/keep/preview")
def would_go(project: str, version: str, asked: KeepQuestion, app: TheApp) -> PartingAnswer:
    """What `keep` would put away, and what that frees. Nothing is moved."""
    return _parting(app.checkpoints.would_go(project, version, _keep(asked)))


@router.post("/keep")
def keep(project: str, version: str, asked: KeepQuestion, app: TheApp) -> PartingAnswer:
    """Puts away what nothing speaks for."""
    return _parting(app.checkpoints.keep(project, version, _keep(asked)))


@router.get(ONE)
def show(project: str, version: str, run: str, name: str, app: TheApp) -> DetailsAnswer:
    """All that is known of one. The first time its whole file is read."""
    details = app.checkpoints.show(project, version, f"{run}/{name}")
    marked = MarkedCheckpoint(checkpoint=details.checkpoint, marks=details.marks)
    return DetailsAnswer(
        **_checkpoint(marked).model_dump(),
        sha256=details.sha256,
        tensors_sha256=details.tensors_sha256,
        trigger=details.trigger,
        base_model=details.base_model,
        family=details.family,
        tags=tuple(TagAnswer(tag=tag, count=count) for tag, count in details.tags),
        metadata=details.metadata,
        images=tuple(links_to(app, image) for image in details.images),
        edits=details.edits,
    )


@router.patch(ONE)
def mark(project: str, version: str, run: str, name: str, marks: MarksQuestion, app: TheApp) -> MarksAnswer:
    """Keeps what the user thinks of it."""
    kept = app.checkpoints.mark(
        project, version, f"{run}/{name}", rating=marks.rating, pinned=marks.pinned, notes=marks.notes
    )
    return _marks(kept)


@router.get(f"{ONE}/file", response_class=FileResponse)
def download(project: str, version: str, run: str, name: str, app: TheApp) -> Response:
    """The file; parts of it can be asked for (Range)."""
    file = app.confined(app.checkpoints.find(project, version, f"{run}/{name}").path)
    return FileResponse(file, media_type=BYTES, filename=_sendable(file.name))


@router.get(f"{ONE}/export", response_class=FileResponse)
def export(project: str, version: str, run: str, name: str, app: TheApp) -> Response:
    """A zip to show it to others: file, pictures, trigger words, settings."""
    app.outputs.cache.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="export-", dir=app.outputs.cache))
    try:
        packed = app.checkpoints.export_zip(project, version, f"{run}/{name}", folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    done = BackgroundTask(shutil.rmtree, folder, ignore_errors=True)
    return FileResponse(packed, media_type="application/zip", filename=_sendable(packed.name), background=done)


@router.post(f"{ONE}/copy", status_code=201)
def copy(project: str, version: str, run: str, name: str, asked: CopyQuestion, app: TheApp) -> DeliveredAnswer:
    """Puts it where a WebUI finds it, with its card and a picture."""
    made = app.checkpoints.copy(
        project,
        version,
        f"{run}/{name}",
        folder=CopySettings(folder=asked.folder).place if asked.folder else None,
        name=asked.name,
        weight=asked.weight,
        link=asked.link,
    )
    return DeliveredAnswer(
        path=made.path, beside=made.beside, linked=made.linked, was_there=made.was_there, notes=made.notes
    )


@router.get(f"{ONE}/edits")
def edits(project: str, version: str, run: str, name: str, app: TheApp) -> EditList:
    """The edits of its metadata that can be undone, the newest first."""
    found = app.checkpoints.edits(project, version, f"{run}/{name}")
    return EditList(edits=tuple(EditAnswer(number=e.number, edited=e.edited, changes=e.changes) for e in found))


@router.post(f"{ONE}/edits", status_code=201)
def edit(project: str, version: str, run: str, name: str, asked: EditQuestion, app: TheApp) -> EditAnswer:
    """Writes the file anew with other metadata; its tensors stay."""
    made = app.checkpoints.edit(project, version, f"{run}/{name}", asked.changes)
    return EditAnswer(number=made.number, edited=made.edited, changes=made.changes)


@router.post(f"{ONE}/edits/undo")
def undo_edit(project: str, version: str, run: str, name: str, app: TheApp) -> EditAnswer:
    """Writes the file of before the last edit, bit for bit."""
    undone = app.checkpoints.undo_edit(project, version, f"{run}/{name}")
    return EditAnswer(number=undone.number, edited=undone.edited, changes=undone.changes)


def _checkpoint(each: MarkedCheckpoint) -> CheckpointAnswer:
    checkpoint: Checkpoint = each.checkpoint
    return CheckpointAnswer(
        run=checkpoint.run,
        name=checkpoint.name,
        path=checkpoint.path,
        size_bytes=checkpoint.size_bytes,
        modified=checkpoint.modified,
        epoch=checkpoint.epoch,
        step=checkpoint.step,
        final=checkpoint.final,
        **_marks(each.marks).model_dump(),
    )


def _marks(marks: Marks) -> MarksAnswer:
    return MarksAnswer(rating=marks.rating, pinned=marks.pinned, notes=marks.notes)


def _keep(asked: KeepQuestion) -> Keep:
    return Keep(
        rated=asked.rated,
        best=asked.best,
        by=asked.by,
        each_run=asked.each_run,
        grid=asked.grid,
        scores=asked.scores,
        finals=asked.finals,
    )


def _parting(parting: Parting) -> PartingAnswer:
    return PartingAnswer(
        going=tuple(each.called for each in parting.going),
        staying=tuple(each.called for each in parting.staying),
        size_bytes=parting.size_bytes,
        freed_bytes=parting.freed_bytes,
        token=parting.token,
        notes=parting.notes,
    )


def _trashed(each: Trashed) -> TrashedAnswer:
    return TrashedAnswer(token=each.token, what=each.what, trashed=each.trashed, size_bytes=each.size_bytes)


def _sendable(name: str) -> str:
    """A file name as a header can hold it: what is no text is replaced."""
    return name.encode("utf-8", "replace").decode("utf-8")
