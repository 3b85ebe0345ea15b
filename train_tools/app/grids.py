"""Grids of a version: what one would do, and its way into the queue."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from sd_contract.tensors.tensor_files import file_sha256
from train_tools.app.jobs import Jobs
from train_tools.app.versions import Versions
from train_tools.datasets.manifests import keep_manifest
from train_tools.errors import (
    BaseModelNotUsableError,
    ConfirmationWantedError,
    DatasetNotUsableError,
    NotFoundError,
    OptionValueError,
)
from train_tools.grids.cells import Cell, Count, cells_of, count_cells, product_size
from train_tools.grids.expressions import assignments_in, assignments_of, grid_of, taken_over
from train_tools.grids.joined import join
from train_tools.grids.record import GridRecord, grid_name_for, grids_of, read_grid, write_grid
from train_tools.grids.runs import BASE_MODEL, Facts, runs_of
from train_tools.jobs.queue import Queue
from train_tools.model.dataset import Dataset
from train_tools.model.grid import Formula, Grid, Rules, Run
from train_tools.model.job import Job, JobState
from train_tools.model.names import checked_name
from train_tools.model.paths import OutputsPaths, RunPaths, VersionPaths
from train_tools.model.plan import Plan, PlannedRun, Submission, Turn
from train_tools.model.provenance import Origin
from train_tools.options.table import engine_options
from train_tools.previews.matrix import picture_count
from train_tools.projects.store import ProjectStore
from train_tools.runs import costs
from train_tools.runs.checkpoints import is_trained
from train_tools.runs.engine import Engine
from train_tools.runs.folders import RunFolders
from train_tools.runs.provenance import provenance_of
from train_tools.runs.record import RunRecord, now, write_record
from train_tools.runs.training import TRAIN, title_of, training_job

PICTURE_BYTES_PER_PIXEL = 1.5
"""A PNG of a photograph; drawn pictures are smaller."""
MOST_PLANNED = 2_000
"""Runs that are planned one by one; of larger grids as many are looked at, evenly spread; the rest is guessed."""
MOST_UNASKED = 1_000
MOST_RUNS = 100_000
MOST_CELLS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """What was asked for: the grid, how many runs it has, and those that were looked at."""

    grid: Grid
    runs: tuple[Run, ...]
    total: int
    datasets: Mapping[str, Dataset]
    """By content."""

    def dataset_of(self, run: Run) -> Dataset:
        return self.datasets[run.spec.dataset]


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

    @staticmethod
    def assignments_of(texts: Iterable[str]) -> Mapping[str, str]:
        """Expressions by option name, from `name=expression`."""
        return assignments_of(texts)

    @staticmethod
    def assignments_in(text: str) -> Mapping[str, str]:
        """Expressions by option name, from what one would add to a trainer's command line."""
        return assignments_in(text)

    def count(
        self,
        project: str,
        version: str,
        assignments: Mapping[str, str] | None = None,
        *,
        rules: Rules | None = None,
        grid: str | None = None,
        engine: str | None = None,
    ) -> Count:
        """How many runs a grid has, without a look at dataset or models: quick enough for each key typed."""
        typed = self._typed(project, version, assignments or {}, rules, grid, engine)
        return count_cells(self._engine(typed.engine).options, typed)

    def plan(
        self,
        project: str,
        version: str,
        assignments: Mapping[str, str] | None = None,
        *,
        rules: Rules | None = None,
        grid: str | None = None,
        previews: bool | None = None,
        engine: str | None = None,
    ) -> Plan:
        """What the version's options (or those of the grid of that name) would do, with `assignments` (option ->
        expression) over them. `rules` and `engine` take the place of the stored ones, `previews` of the version's
        switch."""
        paths = self._versions.paths(project, version)
        typed = self._typed(project, version, assignments or {}, rules, grid, engine)
        reading = self._read(project, version, typed)
        settings = self._versions.settings(project, version)
        planned = self._planned(reading, paths, reading.runs)
        to_train = [entry for entry in planned if not entry.done]
        share = reading.total / max(1, len(reading.runs))
        pace = costs.measured_pace(self._queue.jobs(states=(JobState.DONE,), limit=500)) or costs.first_guess()
        checkpoints = sum(entry.checkpoints for entry in to_train)
        rendered = settings.previews.after_training if previews is None else previews
        pictures = picture_count(settings.previews, checkpoints) if checkpoints and rendered else 0
        area = settings.previews.width_px * settings.previews.height_px
        seconds = sum(
            pace.seconds(entry.steps, costs.work_of(entry.run.options, entry.base)) for entry in to_train
        )
        file_bytes = sum(
            entry.checkpoints * costs.checkpoint_bytes(entry.run.options, entry.base) for entry in to_train
        )
        problems = {problem for dataset in reading.datasets.values() for problem in dataset.problems}
        return Plan(
            project=project,
            version=version,
            engine=reading.grid.engine,
            runs=planned,
            total=reading.total,
            images=max(dataset.image_count for dataset in reading.datasets.values()),
            pictures=round(pictures * share),
            seconds=seconds * share,
            seconds_from=pace.source,
            disk_bytes=int((file_bytes + pictures * area * PICTURE_BYTES_PER_PIXEL) * share),
            free_bytes=shutil.disk_usage(paths.folder).free,
            notes=reading.grid.notes,
            warnings=tuple(f"{problem.source}: {problem.reason}" for problem in sorted(problems, key=str)),
        )

    def submit(
        self,
        project: str,
        version: str,
        assignments: Mapping[str, str] | None = None,
        grid: str | None = None,
        *,
        rules: Rules | None = None,
        turn: Turn | None = None,
        sure: bool = False,
        engine: str | None = None,
    ) -> Submission:
        """Queues the runs that are neither done nor queued already, and remembers the grid. A grid that is there
        already is the one that is submitted again, with `assignments` over what it says.

        Raises ConfirmationWantedError for very many runs unless one is `sure`."""
        paths = self._versions.paths(project, version)
        typed = self._typed(project, version, assignments or {}, rules, grid, engine)
        reading = self._read(project, version, typed, most=MOST_RUNS)
        if len(reading.runs) > MOST_UNASKED and not sure:
            raise self._are_you_sure(
                self.plan(project, version, assignments, rules=rules, grid=grid, engine=engine)
            )
        planned = self._planned(reading, paths, reading.runs)
        names = tuple(entry.run.name for entry in planned)
        name = checked_name(grid, "grid name") if grid else grid_name_for(paths, names)
        write_grid(paths, GridRecord(name=name, grid=reading.grid, runs=names, created=now()))
        submission = self._queued(reading, planned, paths, name, turn=turn)
        self._remember(project, version, reading.grid)
        return submission

    def submit_beside(self, paths: VersionPaths, grid: Grid, origin: Origin, beside: str) -> Submission:
        """Queues runs that come of another one and shows them with the grid that one is in. What the version's
        form opens with stays as it is."""
        reading = self._read(paths.folder.parent.parent.name, paths.folder.name, grid)
        if reading.total > MOST_UNASKED:
            raise OptionValueError(
                f"{reading.total:,} runs are too many to stand beside one: submit them as a grid."
            )
        planned = self._planned(reading, paths, reading.runs)
        cells = read_grid(paths.grid(beside)).runs
        for entry in planned:
            if entry.run.name not in cells:
                join(paths.grid(beside), entry.run.name)
        return self._queued(reading, planned, paths, beside, origin=origin)

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

    def _typed(
        self,
        project: str,
        version: str,
        assignments: Mapping[str, str],
        rules: Rules | None,
        name: str | None,
        engine: str | None,
    ) -> Grid:
        """What is meant: what is stored of the grid of that name, else of the version, and what was typed. Stored
        options that another trainer does not take are left out, which is said."""
        stored = self._stored(self._versions.paths(project, version), project, version, name)
        table = self._engine(engine or stored.engine).options
        base, axes = stored.base, stored.axes
        notes: tuple[str, ...] = ()
        if table.engine != stored.engine:
            base, axes, notes = taken_over(table, base, axes)
        typed = grid_of(table, base, axes, assignments, rules or stored.rules)
        return replace(typed, notes=(*notes, *typed.notes))

    def _stored(self, paths: VersionPaths, project: str, version: str, name: str | None) -> Grid:
        """What the grid of that name says, else the version."""
        if name is not None and paths.grid(checked_name(name, "grid name")).record.is_file():
            return read_grid(paths.grid(name)).grid
        settings = self._versions.settings(project, version)
        return Grid(base=settings.options, axes=settings.axes, rules=settings.rules, engine=settings.engine)

    def _engine(self, name: str) -> Engine:
        if name not in self._engines:
            raise NotFoundError(
                f"There is no trainer {name!r} here. There is: {', '.join(self._engines)}. A checkout of kohya's "
                f"sd-scripts is made one with `train-tools engine add {name} --path FOLDER`."
            )
        return self._engines[name]

    def _read(self, project: str, version: str, grid: Grid, most: int = MOST_PLANNED) -> _Reading:
        """The runs of a grid; when there are more than `most`, as many as that from all over it."""
        grid = _with_real_base_models(grid)
        engine = self._engine(grid.engine)
        table = engine.options
        base_models = {}
        for path in grid.values(BASE_MODEL):
            engine.check_base_model(Path(path))
            base_models[path] = file_sha256(Path(path), self._outputs.cache)
        if product_size(grid) > MOST_CELLS:
            raise _too_many(product_size(grid))
        cells: Iterable[Cell] = (
            list(cells_of(table, grid)) if product_size(grid) <= most else cells_of(table, grid)
        )
        total = len(cells) if isinstance(cells, list) else sum(1 for _ in cells)
        if total > MOST_RUNS:
            raise _too_many(total)
        spread = cells if isinstance(cells, list) else islice(cells_of(table, grid), 0, None, -(-total // most))
        trained = _Datasets(self._versions, project, version)
        runs = runs_of(
            grid,
            (trained.with_resolution(cell) for cell in spread),
            Facts(
                dataset=lambda cell: trained.of(cell).content,
                base_models=base_models,
                engine=engine.name,
                contract=engine.contract,
                table=table,
            ),
        )
        folders = RunFolders(self._versions.paths(project, version))
        return _Reading(
            grid=grid,
            runs=tuple(replace(run, name=folders.name_of(run)) for run in runs),
            total=total if total > most else len(runs),
            datasets=trained.by_content(),
        )

    def _planned(self, reading: _Reading, version: VersionPaths, runs: Iterable[Run]) -> tuple[PlannedRun, ...]:
        planned = []
        engine = self._engine(reading.grid.engine)
        for run in runs:
            count = engine.count_steps(engine_options(run.options), reading.dataset_of(run))
            planned.append(
                PlannedRun(
                    run=run,
                    steps=count.steps,
                    epochs=count.epochs,
                    checkpoints=count.checkpoints,
                    done=is_trained(version.run(run.name)),
                )
            )
        return tuple(planned)

    def _queued(
        self,
        reading: _Reading,
        planned: Iterable[PlannedRun],
        paths: VersionPaths,
        grid: str,
        *,
        turn: Turn | None = None,
        origin: Origin | None = None,
    ) -> Submission:
        """Queues those of the runs that are neither done nor queued."""
        jobs, already, fresh = [], [], []
        made_with = provenance_of(self._engine(reading.grid.engine))
        for entry in planned:
            job = None if entry.done else self._queued_again(paths.run(entry.run.name))
            if entry.done or (job is not None and job.state is not JobState.QUEUED):
                already.append(entry.run.name)
            elif job is not None:
                jobs.append(job.id)
            else:
                record = replace(
                    self._recorded(entry, grid, paths, reading.dataset_of(entry.run)),
                    made_with=made_with,
                    origin=origin,
                )
                write_record(paths.run(entry.run.name), record)
                fresh.append(training_job(self._outputs, paths, record, title_of(paths, record), turn))
        jobs += self._queue.add(fresh)
        place = self._queue.get(jobs[0]).place if jobs else None
        return Submission(grid=grid, jobs=tuple(jobs), already=tuple(already), ahead=(place or 1) - 1)

    @staticmethod
    def _are_you_sure(plan: Plan) -> ConfirmationWantedError:
        hours = (plan.seconds or 0) / 3600
        time_text = f"{hours / 24:,.1f} days" if hours > 48 else f"{hours:,.1f} hours"
        return ConfirmationWantedError(
            f"This grid has {plan.total:,} runs: about {time_text} and {plan.disk_bytes / 1e9:,.0f} GB of disk, "
            f"of which {plan.free_bytes / 1e9:,.0f} GB are free. Queue them all the same with --yes (sure), take "
            "values out, or draw some of them with --random N."
        )

    def _remember(self, project: str, version: str, grid: Grid) -> None:
        """What the version's form opens with the next time."""
        if self._store.open_version(project, version).legacy:
            return
        settings = self._versions.settings(project, version)
        changed = replace(settings, options=grid.base, axes=grid.axes, rules=grid.rules, engine=grid.engine)
        self._versions.save_settings(project, version, changed)

    def _queued_again(self, paths: RunPaths) -> Job | None:
        """The run's job: as it is when unfinished, queued again when it had failed; None when there is none."""
        job = self._queue.in_folder(paths.folder.relative_to(self._outputs.folder).as_posix(), TRAIN)
        if job is None:
            return None
        return self._queue.retry(job.id) if job.state.finished else replace(job, state=JobState.RUNNING)

    @staticmethod
    def _recorded(entry: PlannedRun, grid: str, version: VersionPaths, dataset: Dataset) -> RunRecord:
        return RunRecord(
            run=entry.run,
            grid=grid,
            steps=entry.steps,
            work=costs.work_of(entry.run.options, entry.base),
            created=now(),
            dataset_files=keep_manifest(version, dataset),
        )

    @property
    def _queue(self) -> Queue:
        return self._jobs.queue


class _Datasets:
    """The datasets that the cells of a grid are trained on, each read once."""

    def __init__(self, versions: Versions, project: str, version: str) -> None:
        self._versions = versions
        self._project = project
        self._version = version
        self._found: dict[tuple[Any, ...], Dataset] = {}
        self._sizes: dict[str, str] = {}

    def of(self, cell: Cell) -> Dataset:
        """Raises DatasetNotUsableError when there is nothing to train on."""
        key = tuple(cell.get(name) for name in ("dataset", "repeats", "captions"))
        if key not in self._found:
            version = cell.get("dataset") or self._version
            dataset = self._versions.trained_on(self._project, version, cell)
            if not dataset.image_count:
                raise DatasetNotUsableError(
                    f"{self._project} / {version} has no training images. Add some with "
                    f'`train-tools dataset import "{self._project}" "{version}" PATH`.'
                )
            self._found[key] = dataset
        return self._found[key]

    def by_content(self) -> Mapping[str, Dataset]:
        return {dataset.content: dataset for dataset in self._found.values()}

    def with_resolution(self, cell: Cell) -> Cell:
        """The cell with the size of its training images as resolution, unless it says another."""
        if "resolution" in cell:
            return cell
        version = cell.get("dataset") or self._version
        if version not in self._sizes:
            size = self._versions.settings(self._project, version).preparation
            self._sizes[version] = f"{size.width_px},{size.height_px}"
        return {**cell, "resolution": self._sizes[version]}


def _too_many(runs: int) -> OptionValueError:
    return OptionValueError(
        f"This grid has {runs:,} runs; at most {MOST_RUNS:,} can be queued at once. Take some values out, or draw "
        "some of them with --random N (sample)."
    )


def _with_real_base_models(grid: Grid) -> Grid:
    """The grid with absolute paths to base models that exist."""
    paths = grid.values(BASE_MODEL)
    if not paths:
        raise BaseModelNotUsableError(
            "No base model is chosen. Give one with --base-model FILE (or --set "
            f"{BASE_MODEL}=FILE): a .safetensors checkpoint such as Stable Diffusion 1.5."
        )
    return grid.with_values(BASE_MODEL, tuple(_real_file(path) for path in paths))


def _real_file(text: str | Formula) -> str:
    if isinstance(text, Formula):
        raise BaseModelNotUsableError(f"The base model can't be computed: {text} is a formula. Give a path.")
    path = Path(text).expanduser().absolute()
    if not path.is_file():
        raise BaseModelNotUsableError(
            f"The base model {path} does not exist. Give the path of a .safetensors file."
        )
    return str(path)
