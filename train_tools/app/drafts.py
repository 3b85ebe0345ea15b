"""Drafts: what was typed into the form of a version and not submitted yet. Each page sends what was changed in it,
so that two of them do not take each other's typing away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from train_tools.app.readings import Readings
from train_tools.app.runs import Runs
from train_tools.app.versions import Versions
from train_tools.errors import NotFoundError
from train_tools.grids.drafts import read_draft, write_draft
from train_tools.grids.record import read_grid
from train_tools.model.draft import Draft
from train_tools.model.expressions import typed
from train_tools.model.grid import Grid
from train_tools.model.names import checked_name
from train_tools.model.project import VersionSettings


class Drafts:
    def __init__(self, versions: Versions, runs: Runs, readings: Readings) -> None:
        self._versions = versions
        self._runs = runs
        self._readings = readings
        self._writing = threading.Lock()

    def read(self, project: str, version: str) -> Draft:
        return read_draft(self._file(project, version))

    def change(self, project: str, version: str, changed: Callable[[Draft], Draft]) -> Draft:
        """Keeps what `changed` makes of the draft that is there."""
        file = self._file(project, version)
        with self._writing:
            draft = changed(read_draft(file))
            write_draft(file, draft)
        return draft

    def begin_like(self, project: str, version: str, name: str) -> Draft:
        """Fills the form with the options of a grid of the version, or of any run. Raises NotFoundError."""
        wanted = self._options_of(project, version, name)
        stored = _fields(_stored_grid(self._versions.settings(project, version)))
        fields = _fields(wanted)
        draft = Draft(
            assignments={option: text for option, text in fields.items() if stored.get(option) != text},
            unset=tuple(option for option in stored if option not in fields),
            rules=wanted.rules,
            engine=wanted.engine,
        )
        return self.change(project, version, lambda _: draft)

    def settled(self, project: str, version: str, draft: Draft) -> VersionSettings:
        """The version's settings as they would be if the draft were stored. Raises OptionValueError."""
        grid = self._readings.typed(project, version, draft)
        return with_grid(self._versions.settings(project, version), grid)

    def _options_of(self, project: str, version: str, name: str) -> Grid:
        paths = self._versions.paths(project, version)
        if paths.grid(checked_name(name, "grid name")).record.is_file():
            return read_grid(paths.grid(name)).grid
        try:
            run = self._runs.find(name).record.run
        except NotFoundError as error:
            raise NotFoundError(f"There is no grid or run {name!r} to begin with in this version.") from error
        return Grid(base=run.options, engine=run.spec.engine)

    def _file(self, project: str, version: str) -> Path:
        return self._versions.paths(project, version).draft


def with_grid(settings: VersionSettings, grid: Grid) -> VersionSettings:
    """The settings with another grid to begin with."""
    return replace(settings, options=grid.base, axes=grid.axes, rules=grid.rules, engine=grid.engine)


def _stored_grid(settings: VersionSettings) -> Grid:
    return Grid(base=settings.options, axes=settings.axes, rules=settings.rules, engine=settings.engine)


def _fields(grid: Grid) -> Mapping[str, str]:
    """Each option's text, as one would type it."""
    several: dict[str, tuple[Any, ...]] = {name: (value,) for name, value in grid.base.items()}
    several |= grid.axes
    return {name: typed(values) for name, values in several.items() if None not in values}
