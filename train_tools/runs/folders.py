"""Which folder holds a run. The same run is labelled otherwise when another option varies in its grid, so folders
are known by the fingerprint in their record."""

from __future__ import annotations

from collections import defaultdict

from train_tools.errors import StorageError
from train_tools.model.grid import Run
from train_tools.model.paths import RunPaths, VersionPaths
from train_tools.model.provenance import Descent
from train_tools.runs.record import read_record


class RunFolders:
    """The folders of a version as they are now, listed once."""

    def __init__(self, version: VersionPaths) -> None:
        self._version = version
        self._by_ending: dict[str, list[str]] = defaultdict(list)
        for folder in sorted(version.trains.iterdir()) if version.trains.is_dir() else ():
            self._by_ending[folder.name[-8:]].append(folder.name)

    def name_of(self, run: Run) -> str:
        """The name of the folder that holds this very run; the run's own name where none does."""
        fingerprint = run.spec.fingerprint
        return next(
            (name for name in self._by_ending.get(fingerprint[:8], ()) if self._fingerprint(name) == fingerprint),
            run.name,
        )

    def _fingerprint(self, name: str) -> str | None:
        """None where there is no record, and for a reproduction: it is compared with the run, but another."""
        try:
            record = read_record(RunPaths(self._version.trains / name))
        except StorageError:
            return None
        is_second = record.origin is not None and record.origin.how is Descent.REPRODUCTION
        return None if is_second else record.run.spec.fingerprint
