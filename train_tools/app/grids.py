"""Grids of a version: what one would do, and its way into the queue."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import replace

from sd_contract.errors import ContractError
from train_tools.app.drafts import with_grid
from train_tools.app.jobs import Jobs
from train_tools.app.preflights import Preflights, stopped, tried
from train_tools.app.readings import MOST_RUNS, Reading, Readings
from train_tools.app.versions import Versions
from train_tools.datasets.manifests import keep_manifest
from train_tools.errors import (
    ConfirmationWantedError,
    NotFoundError,
    OptionValueError,
    TrainToolsError,
)
from train_tools.grids.cells import Count, count_cells
from train_tools.grids.expressions import assignments_in, assignments_of
from train_tools.grids.joined import join
from train_tools.grids.record import GridRecord, grid_name_for, grids_of, read_grid, write_grid
from train_tools.jobs.queue import Queue
from train_tools.memory.probe import Trial, probe
from train_tools.model.dataset import Dataset
from train_tools.model.draft import Draft, Understood
from train_tools.model.grid import Grid
from train_tools.model.job import Job, JobState
from train_tools.model.names import checked_name
from train_tools.model.paths import OutputsPaths, RunPaths, VersionPaths
from train_tools.model.plan import Plan, PlannedRun, Submission, Turn
from train_tools.model.preflight import Preflight
from train_tools.model.provenance import Origin
from train_tools.previews.matrix import picture_count
from train_tools.projects.store import ProjectStore
from train_tools.runs import costs
from train_tools.runs.provenance import provenance_of
from train_tools.runs.record import RunRecord, now, write_record
from train_tools.runs.training import TRAIN, title_of, training_job

PICTURE_BYTES_PER_PIXEL = 1.5
"""A PNG of a photograph; drawn pictures are smaller."""
MOST_UNASKED = 1_000

Asked = Draft | Mapping[str, str] | None
"""What is wanted of a grid: a draft, or nothing but its assignments."""


class Grids:
    """Plans and submits grids."""

    def __init__(
        self,
        outputs: OutputsPaths,
        store: ProjectStore,
        versions: Versions,
        jobs: Jobs,
        readings: Readings,
        preflights: Preflights,
    ) -> None:
        self._outputs = outputs
        self._store = store
        self._versions = versions
        self._jobs = jobs
        self._readings = readings
        self._preflights = preflights

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
        asked: Asked = None,
    ) -> Count:
        """How many runs a grid has, without a look at dataset or models. Raises the first thing that is wrong."""
        typed = self._readings.typed(project, version, Draft.of(asked))
        return count_cells(self._readings.engine(typed.engine).options, typed)

    def understood(self, project: str, version: str, asked: Asked = None) -> Understood:
        """The same for a form: all that is wrong, and what of the rest is understood. Quick enough for each key
        typed."""
        return self._readings.understood(project, version, Draft.of(asked))

    def plan(self, project: str, version: str, asked: Asked = None) -> Plan:
        """What the version's options (or those of a grid) would do, with what is asked for over them."""
        draft = Draft.of(asked)
        paths = self._versions.paths(project, version)
        reading = self._readings.read(project, version, self._readings.typed(project, version, draft))
        counted = self._readings.counted(reading, paths)
        plan = self._plan(paths, reading, counted.accepted, draft.previews)
        return replace(plan, memory=self._preflights.memory(reading, plan))

    def preflight(
        self,
        project: str,
        version: str,
        asked: Asked = None,
        *,
        probing: bool = False,
    ) -> Preflight:
        """What would go wrong, or otherwise than was meant, and what it would take. What can't even be planned is
        a finding too. `probing` tries a few steps of the run that takes most memory: NotNowError while a job has
        the device."""
        draft = Draft.of(asked)
        paths = self._versions.paths(project, version)
        try:
            typed = self._readings.typed(project, version, draft)
            reading = self._readings.read(project, version, typed)
        except (TrainToolsError, ContractError) as error:
            return self._preflights.refused(error)
        counted = self._readings.counted(reading, paths)
        plan = self._plan(paths, reading, counted.runs, draft.previews)
        looked = self._preflights.of(reading, counted, plan)
        if not probing or looked.stops:
            return looked
        candidate = self._preflights.hungriest(reading, plan)
        trial = Trial(
            options=candidate.planned.run.options,
            base_model=candidate.base_model,
            dataset=candidate.dataset,
            version=paths,
            cache=self._outputs.cache,
        )
        found = tried(probe(reading.engine, trial, self._jobs.slots()[0]), candidate.name)
        return Preflight.of((*looked.findings, found), (run.name for run in reading.runs))

    def submit(
        self,
        project: str,
        version: str,
        asked: Asked = None,
        *,
        turn: Turn | None = None,
        sure: bool = False,
        anyway: bool = False,
    ) -> Submission:
        """Queues the runs that are neither done, queued nor left out, and remembers the grid. A grid that is there
        already is the one that is submitted again, with what was typed over what it says.

        Raises ConfirmationWantedError for very many runs unless one is `sure`, PreflightError for what the
        pre-flight would stop unless it is to be trained `anyway`."""
        draft = Draft.of(asked)
        turn = turn or Turn()
        turn = replace(turn, previews=turn.previews if draft.previews is None else draft.previews)
        paths = self._versions.paths(project, version)
        typed = self._readings.typed(project, version, draft)
        reading = self._readings.read(project, version, typed, most=MOST_RUNS)
        if len(reading.runs) > MOST_UNASKED and not sure:
            raise self._are_you_sure(self.plan(project, version, draft))
        counted = self._readings.counted(reading, paths)
        planned = tuple(entry for entry in counted.accepted if not entry.left_out)
        if not planned:
            raise OptionValueError("Every run of this grid is left out. Take at least one back in.")
        plan = self._plan(paths, reading, counted.accepted, turn.previews)
        preflight = self._preflights.of(reading, counted, plan)
        if preflight.stops and not anyway:
            raise stopped(preflight)
        names = tuple(entry.run.name for entry in planned)
        name = checked_name(draft.grid, "grid name") if draft.grid else grid_name_for(paths, names)
        write_grid(paths, GridRecord(name=name, grid=reading.grid, runs=names, created=now()))
        submission = self._queued(reading, planned, paths, name, turn=turn)
        self._remember(project, version, reading.grid)
        return replace(submission, preflight=preflight)

    def submit_beside(self, paths: VersionPaths, grid: Grid, origin: Origin, beside: str) -> Submission:
        """Queues runs that come of another one and shows them with the grid that one is in. What the version's
        form opens with stays as it is."""
        reading = self._readings.read(paths.folder.parent.parent.name, paths.folder.name, grid)
        if reading.total > MOST_UNASKED:
            raise OptionValueError(
                f"{reading.total:,} runs are too many to stand beside one: submit them as a grid."
            )
        planned = self._readings.counted(reading, paths).accepted
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

    def _plan(
        self, paths: VersionPaths, reading: Reading, planned: tuple[PlannedRun, ...], previews: bool | None
    ) -> Plan:
        project, version = paths.folder.parent.parent.name, paths.folder.name
        settings = self._versions.settings(project, version)
        to_train = [entry for entry in planned if not entry.done and not entry.left_out]
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
            notes=tuple(dict.fromkeys((*reading.grid.notes, *(note for one in planned for note in one.notes)))),
            warnings=tuple(f"{problem.source}: {problem.reason}" for problem in sorted(problems, key=str)),
        )

    def _queued(
        self,
        reading: Reading,
        planned: Iterable[PlannedRun],
        paths: VersionPaths,
        grid: str,
        *,
        turn: Turn | None = None,
        origin: Origin | None = None,
    ) -> Submission:
        """Queues those of the runs that are neither done nor queued."""
        jobs, already, fresh = [], [], []
        made_with = provenance_of(reading.engine)
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
        self._versions.save_settings(project, version, with_grid(settings, grid))

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
