"""Projects, their versions, and the pair that was chosen last."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from train_tools.model.project import Project, Version
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


class NewName(Question):
    name: str


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
