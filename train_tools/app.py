"""The composition root: builds the services once and hands out one `App`, which every border (command line, API,
page) talks to. What an action means is decided in the rooms; here they are only put together."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sd_contract.errors import ContractError
from sd_contract.tensor_files import file_sha256
from train_tools.datasets.dataset import read_dataset
from train_tools.datasets.origin import import_images
from train_tools.datasets.preparation import prepare
from train_tools.engines.bundled import BundledEngine
from train_tools.errors import (
    AlreadyExistsError,
    BaseModelNotUsableError,
    DatasetNotUsableError,
    InUseError,
    NotFoundError,
    TrainToolsError,
)
from train_tools.grids.expressions import grid_of
from train_tools.grids.runs import runs_of, varied_in
from train_tools.jobs.lease import held, state_folder, worker_lease
from train_tools.jobs.queue import Queue
from train_tools.jobs.tree import APART
from train_tools.jobs.worker import Worker
from train_tools.model.checkpoint import Checkpoint
from train_tools.model.dataset import Dataset, ImportReport, Preparation, PreparationReport
from train_tools.model.grid import Grid, Run
from train_tools.model.job import Job, JobState, NewJob, Verdict
from train_tools.model.names import checked_name
from train_tools.model.paths import AttemptPaths, OutputsPaths, RunPaths, VersionPaths
from train_tools.model.plan import Plan, PlannedRun, Submission
from train_tools.model.preview import PreviewMatrix, PreviewSettings
from train_tools.model.project import Choice, Project, Version, VersionSettings
from train_tools.previews.kind import PreviewJob, preview_job
from train_tools.previews.matrix import (
    BaseModelFile,
    LabelledCheckpoint,
    checked_settings,
    matrix_of,
    picture_count,
)
from train_tools.previews.renderer import Renderer
from train_tools.projects.legacy import legacy_settings, legacy_trains
from train_tools.projects.settings import read_settings, write_settings
from train_tools.projects.store import ProjectStore
from train_tools.projects.template import Demo, read_demo
from train_tools.renderers.diffusers import DiffusersRenderer
from train_tools.runs import costs
from train_tools.runs.checkpoints import checkpoints_of, is_trained
from train_tools.runs.engine import Engine
from train_tools.runs.grids import GridRecord, grid_name_for, grids_of, read_grid, write_grid
from train_tools.runs.record import RunRecord, folder_of, now, read_record, write_record
from train_tools.runs.rescan import finished_runs
from train_tools.runs.training import TRAIN, TrainingJob, training_job

USER_ERRORS = (TrainToolsError, ContractError)
"""What a border catches and tells in one sentence."""
BASE_MODEL = "pretrained_model_name_or_path"
PICTURE_BYTES_PER_PIXEL = 1.5
"""A PNG of a photograph; drawn pictures are smaller."""

Progress = Callable[[int, int], None]


def _silent(done: int, total: int) -> None:
    """No progress is shown."""


class App:
    """Every action of Train Tools. Methods raise `USER_ERRORS`; nothing is cached that others may change."""

    def __init__(self, outputs: OutputsPaths, engines: Sequence[Engine], renderer: Renderer) -> None:
        self.outputs = outputs
        self.renderer = renderer
        self.engines: Mapping[str, Engine] = {engine.name: engine for engine in engines}
        self.store = ProjectStore(outputs, busy=self._what_runs_in)
        self._queues = threading.local()
        self._background: subprocess.Popen[bytes] | None = None

    # Projects and versions

    @property
    def state_folder(self) -> Path:
        """Where what belongs to this user on this machine lies: leases, the page's token."""
        return state_folder()

    def projects(self) -> tuple[Project, ...]:
        return self.store.list()

    def create_project(self, name: str) -> Project:
        project = self.store.create(name)
        self.store.choose(project.name)
        return project

    def versions(self, project: str) -> tuple[Version, ...]:
        return self.store.versions(project)

    def create_version(self, project: str, name: str) -> Version:
        version = self.store.create_version(project, name)
        self.store.choose(project, version.name)
        return version

    def last_choice(self) -> Choice:
        return self.store.last_choice()

    def choose(self, project: str, version: str | None = None) -> None:
        self.store.choose(project, version)

    def settings(self, project: str, version: str) -> VersionSettings:
        opened = self.store.open_version(project, version)
        return legacy_settings(opened.paths).settings if opened.legacy else read_settings(opened.paths)

    def save_settings(self, project: str, version: str, settings: VersionSettings) -> None:
        write_settings(self._version(project, version), settings)

    def change_preparation(self, project: str, version: str, preparation: Preparation) -> None:
        """Sets how training images are made. Previews as large as they were keep up with them."""
        settings = self.settings(project, version)
        old, previews = settings.preparation, settings.previews
        if (previews.width_px, previews.height_px) == (old.width_px, old.height_px):
            previews = replace(previews, width_px=preparation.width_px, height_px=preparation.height_px)
        self.save_settings(project, version, replace(settings, preparation=preparation, previews=previews))

    # The dataset

    def dataset(self, project: str, version: str) -> Dataset:
        return read_dataset(self._version(project, version))

    def import_images(
        self, project: str, version: str, sources: Sequence[Path], progress: Progress = _silent
    ) -> ImportReport:
        return import_images(self._version(project, version), sources, progress)

    def prepare(self, project: str, version: str, progress: Progress = _silent) -> PreparationReport:
        """Makes `processed` from the originals with the version's settings.

        Raises InUseError while runs of the version wait or train: they were queued for what is there now.
        """
        busy = self._what_runs_in(self._version(project, version).folder)
        if busy:
            raise InUseError(
                f"The dataset of {project} / {version} can't be changed now: {busy} Wait for it or cancel it, or "
                "duplicate the version and change the copy."
            )
        preparation = self.settings(project, version).preparation
        return prepare(self._version(project, version), preparation, project, progress)

    # Grids and runs

    def plan(self, project: str, version: str, assignments: Mapping[str, str] | None = None) -> Plan:
        """What the version's options with `assignments` (option -> comma list) over them would do."""
        paths = self._version(project, version)
        _, runs, dataset = self._grid(project, version, assignments or {})
        settings = self.settings(project, version)
        planned = tuple(self._planned(run, paths, dataset) for run in runs)
        to_train = [entry for entry in planned if not entry.done]
        pace = costs.measured_pace(self.queue.jobs(states=(JobState.DONE,), limit=500)) or self._first_guess()
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
        paths = self._version(project, version)
        typed, runs, dataset = self._grid(project, version, assignments or {})
        planned = [self._planned(run, paths, dataset) for run in runs]
        name = checked_name(grid, "grid name") if grid else grid_name_for(paths, [run.name for run in runs])
        if grid and paths.grid(name).folder.exists():
            raise AlreadyExistsError(
                f"There is a grid {grid!r} already. Give another name, or none to have one made."
            )
        write_grid(paths, GridRecord(name=name, grid=typed, runs=tuple(run.name for run in runs), created=now()))
        ahead = self.queue.waiting()
        jobs, already, fresh = [], [], []
        for entry in planned:
            job = None if entry.done else self._queued_again(paths.run(entry.run.name))
            if entry.done or (job is not None and job.state is not JobState.QUEUED):
                already.append(entry.run.name)
            elif job is not None:
                jobs.append(job.id)
            else:
                fresh.append(self._recorded(entry, name, paths))
        jobs += self.queue.add(fresh)
        if not self.store.open_version(project, version).legacy:
            settings = self.settings(project, version)
            self.save_settings(project, version, replace(settings, options=typed.base, axes=typed.axes))
        return Submission(grid=name, jobs=tuple(jobs), already=tuple(already), ahead=ahead)

    def grids(self, project: str, version: str) -> tuple[str, ...]:
        return tuple(record.name for record in grids_of(self._version(project, version)))

    def grid_jobs(self, project: str, version: str, grid: str) -> list[Job]:
        """The jobs that train and render a grid, in whatever state."""
        folder = self._version(project, version).folder.relative_to(self.outputs.folder).as_posix()
        return [job for job in self.queue.below(folder, states=tuple(JobState)) if job.subject.get("grid") == grid]

    def checkpoints(self, project: str, version: str) -> tuple[Checkpoint, ...]:
        """All runs' checkpoints, newest run first."""
        paths = self._version(project, version)
        if self.store.open_version(project, version).legacy:
            return tuple(entry for train in legacy_trains(paths) for entry in train.checkpoints)
        runs = sorted(paths.trains.glob("*/run.toml"), key=lambda record: record.stat().st_mtime, reverse=True)
        return tuple(entry for run in runs for entry in checkpoints_of(RunPaths(run.parent)))

    # Previews

    def matrix(self, project: str, version: str, grid: str | None = None) -> PreviewMatrix:
        """The grid's matrix as far as it is rendered; without a name, that of the newest grid."""
        paths = self._version(project, version)
        record = self._grid_record(paths, grid)
        return matrix_of(
            paths, self._rows_of(paths, record.name), self._previews(paths), *self._bases_of(record.grid)
        )

    def matrix_image(self, project: str, version: str, grid: str | None = None) -> Path | None:
        paths = self._version(project, version)
        image = paths.grid(self._grid_record(paths, grid).name).matrix
        return image if image.is_file() else None

    def preview(
        self,
        project: str,
        version: str,
        grid: str | None = None,
        change: Callable[[PreviewSettings], PreviewSettings] = lambda settings: settings,
    ) -> Submission:
        """Queues the rendering of what is missing in a grid's matrix, with `change`d preview settings."""
        paths = self._version(project, version)
        record = self._grid_record(paths, grid)
        settings = self.settings(project, version)
        changed = replace(settings, previews=checked_settings(change(settings.previews)))
        if changed != settings:
            self.save_settings(project, version, changed)
        rows = self._rows_of(paths, record.name)
        if not rows:
            raise NotFoundError(
                f"The grid {record.name} has no checkpoints yet. `train-tools jobs` shows how far its runs are."
            )
        ahead = self.queue.waiting()
        jobs = []
        for base in dict.fromkeys(row.base for row in rows):
            job = preview_job(
                self.outputs,
                paths,
                grid=record.name,
                run=None,
                settings=self._previews(paths),
                base=base,
                title=f"{project} / {version}: previews of {record.name}",
                checkpoints=sum(row.base == base for row in rows),
            )
            waiting = self.queue.in_folder(job.folder, job.kind)
            jobs += [waiting.id] if waiting and not waiting.state.finished else self.queue.add([job])
        return Submission(grid=record.name, jobs=tuple(jobs), ahead=ahead)

    # Jobs

    @property
    def queue(self) -> Queue:
        """This thread's connection to the queue."""
        if not hasattr(self._queues, "queue"):
            self._queues.queue = Queue(self.outputs.queue)
        queue: Queue = self._queues.queue
        return queue

    def jobs(self, limit: int = 200) -> list[Job]:
        return self.queue.jobs(limit=limit)

    def job(self, id_: int) -> Job:
        return self.queue.get(id_)

    def log(self, id_: int, lines: int = 40) -> str:
        """The end of the current attempt's log, as text."""
        job = self.queue.get(id_)
        log = AttemptPaths.of(self.outputs.folder / job.folder, job.attempt).log
        if not log.is_file():
            return ""
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 400 * lines))
            tail = file.read().decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
        return "\n".join(line.rsplit("\r", 1)[-1] for line in tail[-lines:])

    def cancel(self, id_: int) -> Job:
        """Takes a job out of the queue, or asks it to save and end."""
        job = self.queue.cancel(id_)
        attempt = AttemptPaths.of(self.outputs.folder / job.folder, job.attempt)
        if job.state.active and attempt.folder.is_dir():
            from sd_contract.attempt import Attempt

            Attempt(attempt.folder).request_stop()
        return job

    def retry(self, id_: int) -> Job:
        return self.queue.retry(id_)

    def worker(self, say: Callable[[str], None] = lambda text: None) -> Worker:
        return Worker(
            self.outputs.folder,
            self.queue,
            (
                TrainingJob(self.outputs, self.engines, dataset_of=read_dataset, previews_of=self._previews_after),
                PreviewJob(self.renderer, self._rows_of),
            ),
            say=say,
        )

    def ensure_worker(self) -> None:
        """Starts a worker in the background when jobs wait or run and nobody works. It ends with the queue."""
        if self._background is not None and self._background.poll() is None:
            return
        if not (self.queue.waiting() or self.queue.active()) or held(worker_lease(self.queue.id)):
            return
        self._background = subprocess.Popen(
            [sys.executable, "-m", "train_tools", "--outputs", str(self.outputs.folder), "work", "--quiet"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            creationflags=APART,
            start_new_session=True,
        )

    def rescan(self) -> int:
        """Brings finished runs that the queue file does not know back into it; returns how many."""
        found = 0
        for project in self.store.list():
            for version in self.store.versions(project.name):
                for finished in finished_runs(version.paths):
                    job = training_job(
                        self.outputs,
                        version.paths,
                        finished.record,
                        self._title(version.paths, finished.record.run),
                    )
                    verdict = Verdict(state=JobState(finished.outcome), message=finished.message)
                    found += self.queue.restore(job, verdict, finished.ended_at)
        return found

    # The demo

    def prepare_demo(self, progress: Progress = _silent) -> Demo:
        """Makes the demo project where it is missing; what is there already is kept."""
        demo = read_demo()
        if demo.project not in {project.name for project in self.store.list()}:
            self.create_project(demo.project)
        if demo.version not in {version.name for version in self.store.versions(demo.project)}:
            self.create_version(demo.project, demo.version)
        options = {**demo.settings.options, BASE_MODEL: str(demo.base_model)}
        self.save_settings(demo.project, demo.version, replace(demo.settings, options=options))
        if not self.dataset(demo.project, demo.version).image_count:
            self.import_images(demo.project, demo.version, [demo.dataset], progress)
            self.prepare(demo.project, demo.version, progress)
        return demo

    # Putting rooms together

    def confined(self, path: Path) -> Path:
        """The real path of a file below the outputs folder; NotFoundError for any other."""
        real = path.resolve()
        if not real.is_relative_to(self.outputs.folder.resolve()) or not real.is_file():
            raise NotFoundError("There is no such file below the outputs folder.")
        return real

    def _version(self, project: str, version: str) -> VersionPaths:
        return self.store.open_version(project, version).paths

    def _what_runs_in(self, folder: Path) -> str | None:
        inside = folder.relative_to(self.outputs.folder).as_posix()
        busy = self.queue.below(inside) if self.outputs.queue.exists() else []
        return f"job {busy[0].id} ({busy[0].title}) is {busy[0].state}." if busy else None

    def _grid(
        self, project: str, version: str, assignments: Mapping[str, str]
    ) -> tuple[Grid, tuple[Run, ...], Dataset]:
        settings = self.settings(project, version)
        dataset = self.dataset(project, version)
        if not dataset.image_count:
            raise DatasetNotUsableError(
                f"{project} / {version} has no training images. Add some with "
                f'`train-tools dataset import "{project}" "{version}" PATH`.'
            )
        grid = _with_real_base_models(grid_of(settings.options, settings.axes, assignments))
        engine = self.engines["bundled"]
        base_models = {}
        for path in _values(grid, BASE_MODEL):
            engine.check_base_model(Path(path))
            base_models[path] = file_sha256(Path(path), self.outputs.cache)
        runs = runs_of(
            _with_resolution(grid, settings.preparation),
            dataset=dataset.content,
            base_models=base_models,
            engine=engine.name,
            contract=engine.contract,
        )
        paths = self._version(project, version)
        return grid, tuple(replace(run, name=folder_of(paths, run)) for run in runs), dataset

    def _planned(self, run: Run, version: VersionPaths, dataset: Dataset) -> PlannedRun:
        count = self.engines[run.spec.engine].count_steps(run.options, dataset)
        return PlannedRun(
            run=run,
            steps=count.steps,
            epochs=count.epochs,
            checkpoints=count.checkpoints,
            done=is_trained(version.run(run.name)),
        )

    def _queued_again(self, paths: RunPaths) -> Job | None:
        """The run's job: as it is when unfinished, queued again when it had failed; None when there is none."""
        job = self.queue.in_folder(paths.folder.relative_to(self.outputs.folder).as_posix(), TRAIN)
        if job is None:
            return None
        return self.queue.retry(job.id) if job.state.finished else replace(job, state=JobState.RUNNING)

    def _recorded(self, entry: PlannedRun, grid: str, version: VersionPaths) -> NewJob:
        work = costs.work_of(entry.run.options, Path(entry.run.base_model))
        record = RunRecord(run=entry.run, grid=grid, steps=entry.steps, work=work, created=now())
        write_record(version.run(entry.run.name), record)
        return training_job(self.outputs, version, record, self._title(version, entry.run))

    @staticmethod
    def _title(version: VersionPaths, run: Run) -> str:
        return f"{version.folder.parent.parent.name} / {version.folder.name}: {run.label}"

    def _previews_after(self, version: VersionPaths, record: RunRecord) -> NewJob | None:
        """The job that renders a finished run's previews."""
        return preview_job(
            self.outputs,
            version,
            grid=record.grid,
            run=record.run.name,
            settings=self._previews(version),
            base=_base_of(record.run),
            title=f"{version.folder.parent.parent.name} / {version.folder.name}: previews, {record.run.label}",
            checkpoints=len(checkpoints_of(version.run(record.run.name))),
        )

    def _previews(self, version: VersionPaths) -> PreviewSettings:
        """The version's preview settings; without a prompt, the first caption is one."""
        opened = self.store.open_version(version.folder.parent.parent.name, version.folder.name)
        settings = self.settings(opened.project, opened.name).previews
        if any(settings.prompts):
            return settings
        folders = read_dataset(version).folders
        captions = [image.caption for folder in folders for image in folder.images if image.caption]
        return replace(settings, prompts=(captions[0] if captions else opened.project,))

    def _rows_of(self, version: VersionPaths, grid: str) -> list[LabelledCheckpoint]:
        record, rows = read_grid(version.grid(grid)), []
        for name in record.runs:
            paths = version.run(name)
            if paths.record.is_file():
                run = read_record(paths).run
                shown = replace(run, varied=varied_in(record.grid, run.options))
                rows += [
                    LabelledCheckpoint(label=shown.label, checkpoint=checkpoint, base=_base_of(run))
                    for checkpoint in checkpoints_of(paths)
                ]
        return rows

    def _grid_record(self, version: VersionPaths, name: str | None) -> GridRecord:
        if name is not None:
            return read_grid(version.grid(name))
        newest = grids_of(version)
        if not newest:
            raise NotFoundError("This version has no grid yet: submit one first.")
        return newest[0]

    def _bases_of(self, grid: Grid) -> list[BaseModelFile]:
        paths = [Path(path) for path in _values(grid, BASE_MODEL)]
        return [
            BaseModelFile(path=path, sha256=file_sha256(path, self.outputs.cache))
            for path in paths
            if path.is_file()
        ]

    @staticmethod
    def _first_guess() -> costs.Pace:
        return costs.FIRST_GUESS["gpu" if shutil.which("nvidia-smi") else "cpu"]


def _base_of(run: Run) -> BaseModelFile:
    return BaseModelFile(path=Path(run.base_model), sha256=run.spec.base_model)


def _values(grid: Grid, name: str) -> tuple[Any, ...]:
    return grid.axes.get(name) or (grid.base[name],)


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


def outputs_paths(chosen: Path | None) -> OutputsPaths:
    """The folder `outputs/train_tools`: below `chosen` or TRAIN_TOOLS_OUTPUTS, else beside the program."""
    text = str(chosen) if chosen else os.environ.get("TRAIN_TOOLS_OUTPUTS", "")
    root = Path(text).expanduser().absolute() if text else Path(__file__).parent.parent / "outputs"
    return OutputsPaths(root if root.name == "train_tools" else root / "train_tools")


def open_app(outputs: Path | None = None) -> App:
    """The app on an outputs folder, which is made where it is missing."""
    return App(outputs_paths(outputs), [BundledEngine()], DiffusersRenderer())
