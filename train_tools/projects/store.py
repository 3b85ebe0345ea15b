"""All projects of an outputs folder and their versions. Nothing is remembered between calls: what is changed on
disk, by whomever, appears at the next one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from train_tools.errors import InUseError, StorageError
from train_tools.files import whole_folder
from train_tools.model.paths import OutputsPaths, ProjectPaths, VersionPaths
from train_tools.model.project import Choice, Project, Trashed, Version
from train_tools.projects.choice import read_choice, write_choice
from train_tools.projects.copies import Progress, copy_parts, write_zip
from train_tools.projects.legacy import is_legacy
from train_tools.projects.records import about, change_record
from train_tools.projects.settings import read_settings, write_settings
from train_tools.projects.shelf import Shelf
from train_tools.projects.template import new_version_record
from train_tools.projects.trash import Origin, Trash

Busy = Callable[[Path], str | None]
"""Says in a sentence what runs in a folder, or None. A folder that is busy isn't moved."""


def never_busy(folder: Path) -> None:
    """For a store that no queue works on."""


def utc_now() -> datetime:
    return datetime.now(UTC)


class ProjectStore:
    """Projects and versions go by name. An unknown name raises NotFoundError with the names there are; a name
    that can't be given NameNotAllowedError or AlreadyExistsError; moving a folder in use InUseError."""

    def __init__(
        self, outputs: OutputsPaths, busy: Busy = never_busy, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._outputs = outputs
        self._busy = busy
        self._now = now
        self._projects = Shelf(outputs.projects, outputs.projects, "project")
        self._trash = Trash(outputs.trash, now)

    def list(self) -> tuple[Project, ...]:
        """All projects, newest created first. A broken one is listed with its problem."""
        projects = [self._project(folder) for folder in self._projects.folders()]
        return tuple(sorted(projects, key=lambda project: project.created, reverse=True))

    def open(self, name: str) -> Project:
        return self._project(self._projects.find(name))

    def create(self, name: str) -> Project:
        folder = self._projects.place_for(name)
        with whole_folder(folder) as building:
            change_record(ProjectPaths(building).record, {"created": self._now()})
        return self._project(folder)

    def rename(self, old: str, new: str) -> Project:
        """Renames the project, and with it the choice of it. Processed folders keep their class name."""
        folder = self._idle(self._projects.find(old))
        target = self._projects.place_for(new, instead_of=folder)
        chosen = read_choice(self._outputs.selection)
        self._projects.move(folder, target)
        if chosen.project == folder.name:
            write_choice(self._outputs.selection, Choice(project=target.name, version=chosen.version))
        return self._project(target)

    def set_notes(self, name: str, text: str) -> Project:
        project = self.open(name)
        change_record(project.paths.record, {"created": project.created, "notes": text})
        return self._project(project.paths.folder)

    def trash(self, name: str) -> Trashed:
        """Puts the project away with all its versions; `restore` brings it back."""
        folder = self._idle(self._projects.find(name))
        return self._trash.put(folder, Origin(project=folder.name))

    def export(
        self,
        name: str,
        target: Path,
        *,
        include_origin: bool = True,
        include_trains: bool = True,
        progress: Progress = lambda done, total: None,
    ) -> Path:
        """Writes the project as a zip, whole or not at all: everything but what only serves to resume a run.

        Raises AlreadyExistsError when `target` is there.
        """

        def wanted(path: Path) -> bool:
            within_version = path.parts[2:] if path.parts[0] == "versions" else ()
            if within_version[:2] == ("dataset", "origin"):
                return include_origin
            if within_version[:1] == ("trains",):
                return include_trains and not _serves_only_resuming(within_version)
            return True

        write_zip(self._projects.find(name), target, wanted, progress)
        return target

    def versions(self, project: str) -> tuple[Version, ...]:
        """All versions of a project, newest created first. A broken one is listed with its problem."""
        return self._versions_in(self._projects.find(project))

    def open_version(self, project: str, name: str) -> Version:
        return self._version(self._versions_of(project).find(name))

    def create_version(self, project: str, name: str) -> Version:
        """A version with the user's defaults, else the template's settings, and no pictures."""
        folder = self._versions_of(project).place_for(name)
        with whole_folder(folder) as building:
            change_record(
                VersionPaths(building).record,
                {**new_version_record(self._outputs.defaults), "created": self._now()},
            )
        return self._version(folder)

    def duplicate_version(self, project: str, source: str, new: str) -> Version:
        """A version with the same dataset and settings, but none of the runs, grids and previews."""
        shelf = self._versions_of(project)
        original = VersionPaths(shelf.find(source))
        settings = read_settings(original)
        target = shelf.place_for(new)
        with whole_folder(target) as building:
            copy_parts(original.folder, building, _belongs_to_the_dataset)
            write_settings(VersionPaths(building), settings)
            change_record(VersionPaths(building).record, {"created": self._now()})
        return self._version(target)

    def rename_version(self, project: str, old: str, new: str) -> Version:
        shelf = self._versions_of(project)
        folder = self._idle(shelf.find(old))
        target = shelf.place_for(new, instead_of=folder)
        chosen = read_choice(self._outputs.selection)
        shelf.move(folder, target)
        if chosen == Choice(project=_project_of(folder), version=folder.name):
            write_choice(self._outputs.selection, Choice(project=chosen.project, version=target.name))
        return self._version(target)

    def set_version_notes(self, project: str, name: str, text: str) -> Version:
        """Writes the notes. A version of an older Train Tools gets its own version.toml thereby."""
        version = self.open_version(project, name)
        if version.legacy:
            write_settings(version.paths, read_settings(version.paths))
        change_record(version.paths.record, {"created": version.created, "notes": text})
        return self._version(version.paths.folder)

    def trash_version(self, project: str, name: str) -> Trashed:
        folder = self._idle(self._versions_of(project).find(name))
        return self._trash.put(folder, Origin(project=_project_of(folder), version=folder.name))

    def trashed(self) -> tuple[Trashed, ...]:
        """What can be restored, put away last first."""
        return self._trash.list()

    def restore(self, token: str) -> Project | Version:
        """Puts a project or version back, under its name with a number where that was taken meanwhile."""
        content, origin = self._trash.content(token)
        if origin.version is None:
            target = self._projects.free_place_for(origin.project)
            self._projects.move(content, target)
        else:
            shelf = self._versions_of(origin.project)
            target = shelf.free_place_for(origin.version)
            shelf.move(content, target)
        self._trash.forget(token)
        return self._project(target) if origin.version is None else self._version(target)

    def discard(self, token: str) -> None:
        """Deletes from the trash, for good."""
        self._trash.forget(token)

    def last_choice(self) -> Choice:
        """What was chosen last, as far as it is still there; otherwise what was created last."""
        chosen = read_choice(self._outputs.selection)
        projects = self.list()
        for project in (*(project for project in projects if project.name == chosen.project), *projects):
            kept = chosen.version in project.versions and project.name == chosen.project
            version = chosen.version if kept else next(iter(project.versions), None)
            return Choice(project=project.name, version=version)
        return Choice()

    def choose(self, project: str, version: str | None = None) -> Choice:
        """Remembers the choice. Without a version it is the project's newest."""
        chosen = self.open(project)
        if version is None:
            choice = Choice(project=chosen.name, version=next(iter(chosen.versions), None))
        else:
            choice = Choice(project=chosen.name, version=self.open_version(project, version).name)
        write_choice(self._outputs.selection, choice)
        return choice

    def _versions_of(self, project: str) -> Shelf:
        return self._shelf_of(self._projects.find(project))

    def _shelf_of(self, project: Path) -> Shelf:
        return Shelf(ProjectPaths(project).versions, self._outputs.projects, "version")

    def _versions_in(self, project: Path) -> tuple[Version, ...]:
        versions = [self._version(folder) for folder in self._shelf_of(project).folders()]
        return tuple(sorted(versions, key=lambda version: version.created, reverse=True))

    def _project(self, folder: Path) -> Project:
        paths = ProjectPaths(folder)
        record = about(folder, paths.record)
        problem = record.problem
        versions: tuple[Version, ...] = ()
        try:
            versions = self._versions_in(folder)
        except StorageError as error:
            problem = problem or str(error)
        return Project(
            name=folder.name,
            created=record.created,
            paths=paths,
            notes=record.notes,
            versions=tuple(version.name for version in versions),
            problem=problem,
        )

    def _version(self, folder: Path) -> Version:
        paths = VersionPaths(folder)
        record = about(folder, paths.record)
        return Version(
            project=_project_of(folder),
            name=folder.name,
            created=record.created,
            paths=paths,
            notes=record.notes,
            legacy=is_legacy(paths),
            problem=record.problem,
        )

    def _idle(self, folder: Path) -> Path:
        if running := self._busy(folder):
            raise InUseError(
                f"{folder.name!r} can't be moved now: {running} Wait for its end or cancel it, then try again."
            )
        return folder


def _project_of(version: Path) -> str:
    return version.parent.parent.name


def _belongs_to_the_dataset(path: Path) -> bool:
    """What jobs work in, and an import that was broken off, belong to the version they were begun in."""
    if path.parts[0] == "dataset":
        return path.parts[1:2] not in (("jobs",), (".import",))
    return path.as_posix() == "version.toml"


def _serves_only_resuming(within_version: tuple[str, ...]) -> bool:
    """An attempt's outputs, which are published as checkpoints of the run, and its training states."""
    return within_version[2:3] == ("attempts",) and within_version[4:5] in (("out",), ("state",))
