"""What takes long about a dataset, as jobs: nobody waits for it, it shows how far it is, and it can be stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sd_contract.attempt import Attempt
from train_tools.app.jobs import Jobs
from train_tools.app.versions import Versions
from train_tools.captioners.kind import KIND as CAPTION
from train_tools.datasets.encodings import canonical
from train_tools.errors import DatasetNotUsableError, NotFoundError, StorageError
from train_tools.files import storage_error, unused, write_json
from train_tools.jobs.errand import Errand, launch_of
from train_tools.jobs.kind import Launch
from train_tools.model.job import Job, JobState, NewJob
from train_tools.model.paths import OutputsPaths
from train_tools.regularisation.kind import KIND as REGULARISATION

IMPORT, PREPARE, CHECK = "import", "prepare", "check"
DATASET_KINDS = (IMPORT, PREPARE, CHECK)
WORK_ON_PICTURES = (*DATASET_KINDS, CAPTION, REGULARISATION)
PROCESS = "train_tools.app.dataset_process"
REQUEST_NAME = "dataset.json"
FORMAT = 1
STOP_GRACE_S = 60.0
"""A picture may be large, and an archive's file larger."""


class Datasets:
    """Imports and preparations of versions, as jobs, and what came of the imports."""

    def __init__(self, outputs: OutputsPaths, versions: Versions, jobs: Jobs) -> None:
        self._outputs = outputs
        self._versions = versions
        self._jobs = jobs

    def import_later(
        self,
        project: str,
        version: str,
        sources: Sequence[Path],
        encoding: str | None = None,
        *,
        upload: str | None = None,
    ) -> Job:
        """Queues an import of files, folders and zip files; `upload` is the one that they came with, if a page
        sent them. Raises DatasetNotUsableError when none is there, or when there is no such encoding."""
        encoding = canonical(encoding) if encoding else None
        chosen = [source.expanduser().absolute() for source in sources]
        if not any(_exists(source) for source in chosen):
            names = ", ".join(map(str, chosen[:3])) or "nothing was chosen"
            raise DatasetNotUsableError(
                f"There is nothing to import: {names}. Choose files or folders that exist."
            )
        sources_told = [str(source) for source in chosen]
        return self._added(IMPORT, project, version, sources=sources_told, encoding=encoding, upload=upload)

    def prepare_later(self, project: str, version: str) -> Job:
        """Queues the making of the training images; one that waits already is that. Raises InUseError while runs
        of the version wait or train."""
        self._versions.refuse_if_used(project, version)
        return self._waiting(PREPARE, project, version) or self._added(PREPARE, project, version)

    def check_later(self, project: str, version: str) -> Job:
        """Queues a look at the pixels of all training images; one that waits already is that."""
        return self._waiting(CHECK, project, version) or self._added(CHECK, project, version)

    def jobs(self, project: str, version: str) -> Sequence[Job]:
        """What works on the version's pictures or waits for that, then the last of each kind that has ended."""
        below = self._jobs.queue.below(self._folder(project, version), tuple(JobState))
        own = [job for job in below if job.kind in WORK_ON_PICTURES]
        last = {job.kind: job for job in sorted(own, key=lambda job: job.finished_at or 0) if job.state.finished}
        return [*(job for job in own if not job.state.finished), *last.values()]

    def imports(self, project: str, version: str) -> list[str]:
        """The names of the reports of imports, newest first."""
        return sorted((file.stem for file in self._reports(project, version)), reverse=True)

    def import_report(self, project: str, version: str, name: str) -> dict[str, Any]:
        """One report, as it was written. Raises NotFoundError."""
        for file in self._reports(project, version):
            if file.stem == name:
                return _read_report(file)
        raise NotFoundError(f"There is no report {name!r} of an import into {project} / {version}.")

    def _reports(self, project: str, version: str) -> Iterator[Path]:
        yield from self._versions.paths(project, version).imports.glob("*.json")

    def _waiting(self, kind: str, project: str, version: str) -> Job | None:
        queued = self._jobs.queue.below(self._folder(project, version), [JobState.QUEUED])
        return next((job for job in queued if job.kind == kind), None)

    def _folder(self, project: str, version: str) -> str:
        return self._versions.paths(project, version).folder.relative_to(self._outputs.folder).as_posix()

    def _added(self, kind: str, project: str, version: str, **subject: Any) -> Job:
        """Each has a folder of its own: several imports may wait."""
        paths = self._versions.paths(project, version)
        folder = unused(paths.dataset_jobs / f"{datetime.now():%Y%m%d-%H%M%S}-{kind}")
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            raise storage_error(folder, error) from error
        job = NewJob(
            kind=kind,
            title=f"{project} / {version}: {kind}",
            folder=folder.relative_to(self._outputs.folder).as_posix(),
            subject={"project": project, "version": version, **subject},
        )
        (id_,) = self._jobs.queue.add([job])
        return self._jobs.get(id_)


class DatasetJob(Errand):
    """JobKind `import`, `prepare` or `check`. One that was killed or paused goes on where it was, or begins
    anew."""

    def __init__(self, name: str, outputs: OutputsPaths) -> None:
        self.name = name
        self._outputs = outputs

    def prepare(self, job: Job, folder: Path, attempt: Attempt) -> Launch:
        request = attempt.folder / REQUEST_NAME
        outputs = str(self._outputs.folder)
        write_json(request, {"format": FORMAT, "what": self.name, "outputs": outputs, **job.subject})
        return launch_of(PROCESS, attempt, request, STOP_GRACE_S)


def _exists(source: Path) -> bool:
    try:
        return source.exists()
    except OSError:
        return False


def _read_report(file: Path) -> dict[str, Any]:
    try:
        report = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StorageError(f"{file} is no whole report of an import: {error}.") from error
    if not isinstance(report, dict):
        raise StorageError(f"{file} is no report of an import.")
    return report
