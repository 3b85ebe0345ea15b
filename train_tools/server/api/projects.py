"""Projects, their versions, what was put away of them, and the pair that was chosen last."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from train_tools.model.project import Contents, Project, Trashed, Version
from train_tools.server.answers import Answer, Question, fresh
from train_tools.server.api.context import TheApp

router = APIRouter(tags=["projects"])


class ProjectAnswer(Answer):
    name: str
    created: datetime
    notes: str
    versions: tuple[str, ...]
    folder: Path
    problem: str
    """Why its record can't be read, or empty."""


class VersionAnswer(Answer):
    project: str
    name: str
    created: datetime
    notes: str
    legacy: bool
    folder: Path
    problem: str


class Chosen(Answer):
    project: str | None
    version: str | None


class ProjectList(Answer):
    projects: tuple[ProjectAnswer, ...]
    chosen: Chosen


class VersionList(Answer):
    versions: tuple[VersionAnswer, ...]


class ContentsAnswer(Answer):
    project: str
    versions: int
    images: int
    """Training images of all versions."""
    runs: int
    checkpoints: int
    changed: datetime
    """When something was last added to it."""


class ContentsList(Answer):
    contents: tuple[ContentsAnswer, ...]


class TrashedAnswer(Answer):
    token: str
    what: str
    trashed: datetime
    size_bytes: int


class TrashList(Answer):
    trashed: tuple[TrashedAnswer, ...]


class Restored(Answer):
    project: str
    version: str | None


class NewName(Question):
    name: str


class Change(Question):
    """What isn't named stays as it is."""

    name: str | None = None
    notes: str | None = None


class Copy(Question):
    name: str
    """Of the version that is made."""


class NewChoice(Question):
    project: str
    version: str | None = None


@router.get("/projects", response_model=ProjectList)
def list_projects(request: Request, app: TheApp) -> Response:
    last = app.store.last_choice()
    found = tuple(_project(each) for each in app.store.list())
    return fresh(request, ProjectList(projects=found, chosen=Chosen(project=last.project, version=last.version)))


@router.post("/projects", status_code=201)
def create_project(new: NewName, app: TheApp) -> ProjectAnswer:
    return _project(app.create_project(new.name))


@router.get("/projects/contents", response_model=ContentsList)
def list_contents(request: Request, app: TheApp) -> Response:
    """How much is in each project, as its folders say."""
    found = tuple(_contents(app.contents(each.name)) for each in app.store.list())
    return fresh(request, ContentsList(contents=found))


@router.post("/projects/demo", status_code=201)
def open_demo(app: TheApp) -> Chosen:
    """The demo project, finished; it is made where it is missing, and what is there already is kept."""
    demo = app.open_demo()
    return Chosen(project=demo.project, version=demo.version)


@router.patch("/projects/{project}")
def change_project(project: str, change: Change, app: TheApp) -> ProjectAnswer:
    """Another name, or what should be remembered about it. 409 while something works in it."""
    changed = app.store.open(project)
    if change.notes is not None:
        changed = app.store.set_notes(changed.name, change.notes)
    if change.name is not None and change.name != changed.name:
        changed = app.store.rename(changed.name, change.name)
    return _project(changed)


@router.delete("/projects/{project}")
def trash_project(project: str, app: TheApp) -> TrashedAnswer:
    """Puts it away with all its versions; its token brings it back."""
    return _trashed(app.store.trash(project))


@router.patch("/projects/{project}/versions/{version}")
def change_version(project: str, version: str, change: Change, app: TheApp) -> VersionAnswer:
    changed = app.store.open_version(project, version)
    if change.notes is not None:
        changed = app.store.set_version_notes(project, changed.name, change.notes)
    if change.name is not None and change.name != changed.name:
        changed = app.store.rename_version(project, changed.name, change.name)
    return _version(changed)


@router.post("/projects/{project}/versions/{version}/duplicate", status_code=201)
def duplicate_version(project: str, version: str, copy: Copy, app: TheApp) -> VersionAnswer:
    """The same dataset and settings under another name, without the runs."""
    return _version(app.store.duplicate_version(project, version, copy.name))


@router.delete("/projects/{project}/versions/{version}")
def trash_version(project: str, version: str, app: TheApp) -> TrashedAnswer:
    return _trashed(app.store.trash_version(project, version))


@router.get("/trash", response_model=TrashList)
def list_trash(request: Request, app: TheApp) -> Response:
    """What can be brought back, put away last first."""
    return fresh(request, TrashList(trashed=tuple(map(_trashed, app.store.trashed()))))


@router.post("/trash/{token}/restore")
def restore(token: str, app: TheApp) -> Restored:
    """Under its name, with a number where that was taken meanwhile."""
    back = app.store.restore(token)
    return Restored(
        project=back.project if isinstance(back, Version) else back.name,
        version=back.name if isinstance(back, Version) else None,
    )


@router.delete("/trash/{token}", status_code=204)
def discard(token: str, app: TheApp) -> None:
    """Deletes it for good."""
    app.store.discard(token)


@router.put("/choice", status_code=204)
def choose(choice: NewChoice, app: TheApp) -> None:
    """Which project and version the next visit begins with."""
    app.store.choose(choice.project, choice.version)


@router.get("/projects/{project}/versions", response_model=VersionList)
def list_versions(project: str, request: Request, app: TheApp) -> Response:
    return fresh(request, VersionList(versions=tuple(_version(each) for each in app.store.versions(project))))


@router.post("/projects/{project}/versions", status_code=201)
def create_version(project: str, new: NewName, app: TheApp) -> VersionAnswer:
    return _version(app.create_version(project, new.name))


def _project(project: Project) -> ProjectAnswer:
    return ProjectAnswer(
        name=project.name,
        created=project.created,
        notes=project.notes,
        versions=project.versions,
        folder=project.paths.folder,
        problem=project.problem,
    )


def _version(version: Version) -> VersionAnswer:
    return VersionAnswer(
        project=version.project,
        name=version.name,
        created=version.created,
        notes=version.notes,
        legacy=version.legacy,
        folder=version.paths.folder,
        problem=version.problem,
    )


def _contents(contents: Contents) -> ContentsAnswer:
    return ContentsAnswer(
        project=contents.project,
        versions=contents.versions,
        images=contents.images,
        runs=contents.runs,
        checkpoints=contents.checkpoints,
        changed=contents.changed,
    )


def _trashed(trashed: Trashed) -> TrashedAnswer:
    return TrashedAnswer(
        token=trashed.token, what=trashed.what, trashed=trashed.trashed, size_bytes=trashed.size_bytes
    )
