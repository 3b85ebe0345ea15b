"""Grids of a version: what one would do, and its way into the queue."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sd_contract.tensors.tensor_files import file_sha256
from train_tools.app.jobs import Jobs
from train_tools.app.versions import Versions
from train_tools.errors import AlreadyExistsError, BaseModelNotUsableError, DatasetNotUsableError, NotFoundError
from train_tools.grids.expressions import grid_of
from train_tools.grids.runs import runs_of
from train_tools.jobs.queue import Queue
from train_tools.model.dataset import Dataset, Preparation
from train_tools.model.grid import Grid, Run
from train_tools.model.job import Job, JobState, NewJob
from train_tools.model.names import checked_name
from train_tools.model.paths import OutputsPaths, RunPaths, VersionPaths
from train_tools.model.plan import Plan, PlannedRun, Submission
from train_tools.previews.matrix import picture_count
from train_tools.projects.store import ProjectStore
from train_tools.runs import costs
from train_tools.runs.checkpoints import is_trained
from train_tools.runs.engine import Engine
from train_tools.runs.grids import GridRecord, grid_name_for, grids_of, read_grid, write_grid
from train_tools.runs.record import RunRecord, folder_of, now, write_record
from train_tools.runs.training import TRAIN, title_of, training_job

BASE_MODEL = "pretrained_model_name_or_path"
PICTURE_BYTES_PER_PIXEL = 1.5
"""A PNG of a photograph; drawn pictures are smaller."""


class Grids:
    """Plans and submits grids."""

    def __init__(
        self,
        outputs: OutputsPaths,
        store: ProjectStore,
        versions: Versions,
        jobs: Jobs,
        engines: Mapping[str, Engine],
    ) -> None:
        self._outputs = outputs
        self._store = store
        self._versions = versions
        self._jobs = jobs
        self._engines = engines

    def plan(self, project: str, version: str, assignments: Mapping[str, str] | None = None) -> Plan:
        """What the version's options with `assignments` (option -> comma list) over them would do."""
        paths = self._versions.paths(project, version)
        _, runs, dataset = self._grid(project, version, assignments or {})
        settings = self._versions.settings(project, version)
        planned = tuple(self._planned(run, paths, dataset) for run in runs)
        to_train = [entry for entry in planned if not entry.done]
        pace = costs.measured_pace(self._queue.jobs(states=(JobState.DONE,), limit=500)) or self._first_guess()
        checkpoints = sum(entry.checkpoints for entry in to_train)
        pictures = picture_count(settings.previews, checkpoints) if checkpoints else 0
        area = settings.previews.width_px * settings.previews.height_px
        return Plan(
            project=project,
            version=version,
            runs=planned,
            images=dataset.image_count,
            pictures=pictures,
            seconds=sum(
                pace.seconds(entry.steps, costs.work_of(entry.run.options, Path(entry.run.base_model)))
                for entry in to_train
            ),
            seconds_from=pace.source,
            disk_bytes=int(
                sum(
                    entry.checkpoints * costs.checkpoint_bytes(entry.run.options, Path(entry.run.base_model))
                    for entry in to_train
                )
                + pictures * area * PICTURE_BYTES_PER_PIXEL
            ),
            free_bytes=shutil.disk_usage(paths.folder).free,
            warnings=tuple(f"{problem.source}: {problem.reason}" for problem in dataset.problems),
        )

    def submit(
        self, project: str, version: str, assignments: Mapping[str, str] | None = None, grid: str | None = None
    ) -> Submission:
        """Queues the runs that are neither done nor queued already, and remembers the grid."""
        paths = self._versions.paths(project, version)
        typed, runs, dataset = self._grid(project, version, assignments or {})
        planned = [self._planned(run, paths, dataset) for run in runs]
        name = checked_name(grid, "grid name") if grid else grid_name_for(paths, [run.name for run in runs])
        if grid and paths.grid(name).folder.exists():
            raise AlreadyExistsError(
                f"There is a grid {grid!r} already. Give another name, or none to have one made."
            )
        write_grid(paths, GridRecord(name=name, grid=typed, runs=tuple(run.name for run in runs), created=now()))
        ahead = self._queue.waiting()
        jobs, already, fresh = [], [], []
        for entry in planned:
            job = None if entry.done else self._queued_again(paths.run(entry.run.name))
            if entry.done or (job is not None and job.state is not JobState.QUEUED):
                already.append(entry.run.name)
            elif job is not None:
                jobs.append(job.id)
            else:
                fresh.append(self._recorded(entry, name, paths))
        jobs += self._queue.add(fresh)
        if not self._store.open_version(project, version).legacy:
            settings = self._versions.settings(project, version)
            self._versions.save_settings(project, version, replace(settings, options=typed.base, axes=typed.axes))
        return Submission(grid=name, jobs=tuple(jobs), already=tuple(already), ahead=ahead)

    def names(self, project: str, version: str) -> tuple[str, ...]:
        return tuple(record.name for record in grids_of(self._versions.paths(project, version)))

    def jobs(self, project: str, version: str, grid: str) -> list[Job]:
        """The jobs that train and render a grid, in whatever state."""
        folder = self._versions.paths(project, version).folder.relative_to(self._outputs.folder).as_posix()
        return [
            job for job in self._queue.below(folder, states=tuple(JobState)) if job.subject.get("grid") == grid
        ]

    def record(self, project: str, version: str, name: str | None = None) -> GridRecord:
        """The grid of that name; without one, the newest."""
        paths = self._versions.paths(project, version)
        if name is not None:
            return read_grid(paths.grid(name))
        newest = grids_of(paths)
        if not newest:
            raise NotFoundError("This version has no grid yet: submit one first.")
        return newest[0]

    def _grid(
        self, project: str, version: str, assignments: Mapping[str, str]
    ) -> tuple[Grid, tuple[Run, ...], Dataset]:
        settings = self._versions.settings(project, version)
        dataset = self._versions.dataset(project, version)
        if not dataset.image_count:
            raise DatasetNotUsableError(
                f"{project} / {version} has no training images. Add some with "
                f'`train-tools dataset import "{project}" "{version}" PATH`.'
            )
        grid = _with_real_base_models(grid_of(settings.options, settings.axes, assignments))
        engine = self._engines["bundled"]
        base_models = {}
        for path in values_of(grid, BASE_MODEL):
            engine.check_base_model(Path(path))
            base_models[path] = file_sha256(Path(path), self._outputs.cache)
        runs = runs_of(
            _with_resolution(grid, settings.preparation),
            dataset=dataset.content,
            base_models=base_models,
            engine=engine.name,
            contract=engine.contract,
        )
        paths = self._versions.paths(project, version)
        return grid, tuple(replace(run, name=folder_of(paths, run)) for run in runs), dataset

    def _planned(self, run: Run, version: VersionPaths, dataset: Dataset) -> PlannedRun:
        count = self._engines[run.spec.engine].count_steps(run.options, dataset)
        return PlannedRun(
            run=run,
            steps=count.steps,
            epochs=count.epochs,
            checkpoints=count.checkpoints,
            done=is_trained(version.run(run.name)),
        )

    def _queued_again(self, paths: RunPaths) -> Job | None:
        """The run's job: as it is when unfinished, queued again when it had failed; None when there is none."""
        job = self._queue.in_folder(paths.folder.relative_to(self._outputs.folder).as_posix(), TRAIN)
        if job is None:
            return None
        return self._queue.retry(job.id) if job.state.finished else replace(job, state=JobState.RUNNING)

    def _recorded(self, entry: PlannedRun, grid: str, version: VersionPaths) -> NewJob:
        work = costs.work_of(entry.run.options, Path(entry.run.base_model))
        record = RunRecord(run=entry.run, grid=grid, steps=entry.steps, work=work, created=now())
        write_record(version.run(entry.run.name), record)
        return training_job(self._outputs, version, record, title_of(version, entry.run))

    @property
    def _queue(self) -> Queue:
        return self._jobs.queue

    @staticmethod
    def _first_guess() -> costs.Pace:
        return costs.FIRST_GUESS["gpu" if shutil.which("nvidia-smi") else "cpu"]


def _with_resolution(grid: Grid, size: Preparation) -> Grid:
    """The grid with the size of the training images as its resolution, unless it says another."""
    if "resolution" in grid.base or "resolution" in grid.axes:
        return grid
    return Grid(base={**grid.base, "resolution": f"{size.width_px},{size.height_px}"}, axes=grid.axes)


def _with_real_base_models(grid: Grid) -> Grid:
    """The grid with absolute paths to base models that exist."""
    if BASE_MODEL not in grid.base and BASE_MODEL not in grid.axes:
        raise BaseModelNotUsableError(
            "No base model is chosen. Give one with --base-model FILE (or --set "
            f"{BASE_MODEL}=FILE): a .safetensors checkpoint such as Stable Diffusion 1.5."
        )
    if BASE_MODEL in grid.axes:
        paths = tuple(_real_file(path) for path in grid.axes[BASE_MODEL])
        return Grid(base=grid.base, axes={**grid.axes, BASE_MODEL: paths})
    return Grid(base={**grid.base, BASE_MODEL: _real_file(grid.base[BASE_MODEL])}, axes=grid.axes)


def _real_file(text: str) -> str:
    path = Path(text).expanduser().absolute()
    if not path.is_file():
        raise BaseModelNotUsableError(
            f"The base model {path} does not exist. Give the path of a .safetensors file."
        )
    return str(path)


def values_of(grid: Grid, name: str) -> tuple[Any, ...]:
    return grid.axes.get(name) or (grid.base[name],)
