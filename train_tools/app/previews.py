"""Preview matrices of grids: what they show, and rendering what is missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from sd_contract.tensors.tensor_files import file_sha256
from train_tools.app.grids import Grids
from train_tools.app.jobs import Jobs
from train_tools.app.versions import Versions
from train_tools.datasets.dataset import read_dataset
from train_tools.errors import NotFoundError
from train_tools.grids.joined import joined
from train_tools.grids.record import read_grid
from train_tools.grids.runs import BASE_MODEL, varied_in
from train_tools.model.grid import Grid, Run
from train_tools.model.job import NewJob
from train_tools.model.paths import OutputsPaths, VersionPaths
from train_tools.model.plan import Submission
from train_tools.model.preview import PreviewMatrix, PreviewSettings
from train_tools.previews.kind import preview_job
from train_tools.previews.matrix import BaseModelFile, LabelledCheckpoint, checked_settings, matrix_of
from train_tools.runs.checkpoints import checkpoints_of
from train_tools.runs.record import RunRecord, read_record


class Previews:
    """Shows and renders matrices."""

    def __init__(self, outputs: OutputsPaths, versions: Versions, jobs: Jobs, grids: Grids) -> None:
        self._outputs = outputs
        self._versions = versions
        self._jobs = jobs
        self._grids = grids

    def matrix(self, project: str, version: str, grid: str | None = None) -> PreviewMatrix:
        """The grid's matrix as far as it is rendered; without a name, that of the newest grid."""
        paths = self._versions.paths(project, version)
        record = self._grids.record(project, version, grid)
        return matrix_of(
            paths, self.rows_of(paths, record.name), self._previews(paths), *self._bases_of(record.grid)
        )

    def matrix_image(self, project: str, version: str, grid: str | None = None) -> Path | None:
        paths = self._versions.paths(project, version)
        image = paths.grid(self._grids.record(project, version, grid).name).matrix
        return image if image.is_file() else None

    def render(
        self,
        project: str,
        version: str,
        grid: str | None = None,
        change: Callable[[PreviewSettings], PreviewSettings] = lambda settings: settings,
    ) -> Submission:
        """Queues the rendering of what is missing in a grid's matrix, with `change`d preview settings."""
        paths = self._versions.paths(project, version)
        record = self._grids.record(project, version, grid)
        settings = self._versions.settings(project, version)
        changed = replace(settings, previews=checked_settings(change(settings.previews)))
        if changed != settings:
            self._versions.save_settings(project, version, changed)
        rows = self.rows_of(paths, record.name)
        if not rows:
            raise NotFoundError(
                f"The grid {record.name} has no checkpoints yet. `train-tools jobs` shows how far its runs are."
            )
        ahead = self._jobs.queue.waiting()
        jobs = []
        for base in dict.fromkeys(row.base for row in rows):
            job = preview_job(
                self._outputs,
                paths,
                grid=record.name,
                run=None,
                settings=self._previews(paths),
                base=base,
                title=f"{project} / {version}: previews of {record.name}",
                checkpoints=sum(row.base == base for row in rows),
            )
            waiting = self._jobs.queue.in_folder(job.folder, job.kind)
            jobs += [waiting.id] if waiting and not waiting.state.finished else self._jobs.queue.add([job])
        return Submission(grid=record.name, jobs=tuple(jobs), ahead=ahead)

    def are_made_after_training(self, version: VersionPaths) -> bool:
        """The version's switch (S1-50)."""
        return self._versions.settings(
            version.folder.parent.parent.name, version.folder.name
        ).previews.after_training

    def after_run(self, version: VersionPaths, record: RunRecord) -> NewJob | None:
        """The job that renders a finished run's previews."""
        return preview_job(
            self._outputs,
            version,
            grid=record.grid,
            run=record.run.name,
            settings=self._previews(version),
            base=_base_of(record.run),
            title=f"{version.folder.parent.parent.name} / {version.folder.name}: previews, {record.label}",
            checkpoints=len(checkpoints_of(version.run(record.run.name))),
        )

    def _previews(self, version: VersionPaths) -> PreviewSettings:
        """The version's preview settings; without a prompt, the first caption is one."""
        project = version.folder.parent.parent.name
        settings = self._versions.settings(project, version.folder.name).previews
        if any(settings.prompts):
            return settings
        folders = read_dataset(version).folders
        captions = [image.caption for folder in folders for image in folder.images if image.caption]
        return replace(settings, prompts=(captions[0] if captions else project,))

    def rows_of(self, version: VersionPaths, grid: str) -> list[LabelledCheckpoint]:
        record, rows = read_grid(version.grid(grid)), []
        for name in (*record.runs, *joined(version.grid(grid))):
            paths = version.run(name)
            if paths.record.is_file():
                told = read_record(paths)
                run = told.run
                is_cell = name in record.runs
                shown = replace(run, varied=varied_in(record.grid, run.options)).label if is_cell else told.label
                rows += [
                    LabelledCheckpoint(label=shown, checkpoint=checkpoint, base=_base_of(run))
                    for checkpoint in checkpoints_of(paths)
                ]
        return rows

    def _bases_of(self, grid: Grid) -> list[BaseModelFile]:
        paths = [Path(str(path)) for path in grid.values(BASE_MODEL)]
        return [
            BaseModelFile(path=path, sha256=file_sha256(path, self._outputs.cache))
            for path in paths
            if path.is_file()
        ]


def _base_of(run: Run) -> BaseModelFile:
    return BaseModelFile(path=Path(run.base_model), sha256=run.spec.base_model)
