"""Folders of projects, versions, runs and checkpoints, shown in the file manager of the machine that they lie
on."""

from __future__ import annotations

from pathlib import Path

from train_tools.app.checkpoints import Checkpoints
from train_tools.app.versions import Versions
from train_tools.errors import NotFoundError
from train_tools.machine.file_manager import file_manager, show
from train_tools.model.machine import ShownPlace
from train_tools.model.paths import OutputsPaths

NOT_HERE = "You are at another machine: copy the path."
NO_PROGRAM = "This machine has no desktop with a file manager that Train Tools could ask: copy the path."


class Desktop:
    def __init__(self, outputs: OutputsPaths, versions: Versions, checkpoints: Checkpoints) -> None:
        self._outputs = outputs
        self._versions = versions
        self._checkpoints = checkpoints

    def show(self, project: str, version: str, what: str = "", *, asker_is_here: bool = True) -> ShownPlace:
        """Shows a version's folder, or that of a run or a checkpoint (as `Checkpoints` are asked for). Whoever is
        elsewhere is only told the path. Raises NotFoundError for what is not there or lies outside."""
        place = self._place(project, version, what)
        if not asker_is_here:
            return ShownPlace(path=place, shown=False, reason=NOT_HERE)
        program = file_manager(place)
        reason = NO_PROGRAM if program is None else show(program)
        return ShownPlace(path=place, shown=not reason, reason=reason)

    def _place(self, project: str, version: str, what: str) -> Path:
        paths = self._versions.paths(project, version)
        runs = {folder.name: folder for folder in _folders_in(paths.trains)}
        place = paths.folder
        if what:
            place = runs[what] if what in runs else self._checkpoints.find(project, version, what).path
        real = place.resolve()
        if not real.exists() or not real.is_relative_to(self._outputs.folder.resolve()):
            raise NotFoundError(f"{place} is not below the outputs folder, so it is not opened from here.")
        return real


def _folders_in(folder: Path) -> list[Path]:
    return [entry for entry in folder.iterdir() if entry.is_dir()] if folder.is_dir() else []
