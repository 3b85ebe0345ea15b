"""Reading what somebody wants trained: the grid that was typed, its runs, and how long each is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from math import inf
from pathlib import Path
from typing import Any

from sd_contract.errors import ContractError
from sd_contract.modes import PAIR, needs_dataset
from sd_contract.tensors.tensor_files import file_sha256
from train_tools.app.versions import Versions
from train_tools.errors import (
    BaseModelNotUsableError,
    DatasetNotUsableError,
    NotFoundError,
    OptionValueError,
    TrainToolsError,
)
from train_tools.grids.cells import Cell, cells_of, count_cells, product_size
from train_tools.grids.expressions import blamed, faults_in, grid_of, taken_over
from train_tools.grids.labels import BASE_MODEL
from train_tools.grids.record import read_grid
from train_tools.grids.runs import Facts, runs_of
from train_tools.model.dataset import Dataset
from train_tools.model.draft import Draft, Fault, Understood
from train_tools.model.expressions import typed as typed_text
from train_tools.model.grid import Formula, Grid, Run
from train_tools.model.names import checked_name
from train_tools.model.paths import OutputsPaths, VersionPaths
from train_tools.model.plan import PlannedRun
from train_tools.options.table import engine_options
from train_tools.runs.checkpoints import is_trained
from train_tools.runs.engine import Engine, StepCount
from train_tools.runs.folders import RunFolders

MOST_PLANNED = 2_000
"""Runs that are planned one by one; of larger grids as many are looked at, evenly spread; the rest is guessed."""
MOST_RUNS = 100_000
MOST_CELLS = 1_000_000
NOTHING = StepCount(steps=0, epochs=0, checkpoints=0)
"""What a run takes that the trainer refuses, and nobody wants."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What was asked for: the grid, how many runs it has, and those that were looked at."""

    grid: Grid
    engine: Engine
    version: VersionPaths
    runs: tuple[Run, ...]
    total: int
    datasets: Mapping[str, Dataset]
    """By content."""

    def dataset_of(self, run: Run) -> Dataset:
        return self.datasets[run.spec.dataset]


@dataclass(frozen=True, kw_only=True)
class Counted:
    """The runs of a reading with their lengths, and those that the trainer refuses, with the reasons."""

    runs: tuple[PlannedRun, ...]
    refused: tuple[tuple[Run, TrainToolsError | ContractError], ...]

    @property
    def accepted(self) -> tuple[PlannedRun, ...]:
        """All of them. Raises the reason of the first that is refused."""
        for _, error in self.refused:
            raise error
        return self.runs


class Readings:
    """Reads grids of the versions in an outputs folder."""

    def __init__(self, outputs: OutputsPaths, versions: Versions, engines: Mapping[str, Engine]) -> None:
        self._outputs = outputs
        self._versions = versions
        self._engines = engines

    def typed(self, project: str, version: str, draft: Draft) -> Grid:
        """What is meant: what is stored of the grid that is named, else of the version, and what was typed. Stored
        options that another trainer does not take are left out, which is said."""
        stored = self._stored(self._versions.paths(project, version), project, version, draft.grid)
        table = self.engine(draft.engine or stored.engine).options
        base = {name: value for name, value in stored.base.items() if name not in draft.unset}
        axes = {name: values for name, values in stored.axes.items() if name not in draft.unset}
        notes: tuple[str, ...] = ()
        if table.engine != stored.engine:
            base, axes, notes = taken_over(table, base, axes)
        typed = grid_of(table, base, axes, draft.assignments, draft.rules or stored.rules)
        return replace(typed, notes=(*notes, *typed.notes))

    def understood(self, project: str, version: str, draft: Draft) -> Understood:
        """What a draft means, as far as it can be understood: of each field for itself, then of all together."""
        stored = self._stored(self._versions.paths(project, version), project, version, draft.grid)
        table = self.engine(draft.engine or stored.engine).options
        faults = tuple(faults_in(table, draft.assignments))
        wrong = {fault.option for fault in faults}
        sound = {name: text for name, text in draft.assignments.items() if name not in wrong}
        axes: Mapping[str, tuple[Any, ...]] = {}
        notes: tuple[str, ...] = ()
        count = None
        try:
            grid = self.typed(project, version, replace(draft, assignments=sound))
            axes, notes = grid.axes, grid.notes
            count = count_cells(table, grid)
        except OptionValueError as error:
            if not faults:
                faults = (Fault(option=blamed(table, str(error)), message=str(error)),)
        return Understood(
            runs=None if faults or count is None else count.runs,
            exact=count is None or count.exact,
            axes={name: tuple(typed_text((value,)) for value in values) for name, values in axes.items()},
            faults=faults,
            notes=notes,
        )

    def engine(self, name: str) -> Engine:
        if name not in self._engines:
            raise NotFoundError(
                f"There is no trainer {name!r} here. There is: {', '.join(self._engines)}. A checkout of kohya's "
                f"sd-scripts is made one with `train-tools engine add {name} --path FOLDER`."
            )
        return self._engines[name]

    def read(self, project: str, version: str, grid: Grid, most: int = MOST_PLANNED) -> Reading:
        """The runs of a grid; when there are more than `most`, as many as that from all over it."""
        grid = _with_real_base_models(grid)
        engine = self.engine(grid.engine)
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
        return Reading(
            grid=grid,
            engine=engine,
            version=self._versions.paths(project, version),
            runs=tuple(replace(run, name=folders.name_of(run)) for run in runs),
            total=total if total > most else len(runs),
            datasets=trained.by_content(),
        )

    @staticmethod
    def counted(reading: Reading, version: VersionPaths) -> Counted:
        planned, refused = [], []
        for run in reading.runs:
            dataset, per_step = reading.dataset_of(run), _images_per_step(reading.engine, run)
            left_out = run.label in reading.grid.rules.left_out
            try:
                count = reading.engine.count_steps(engine_options(run.options), dataset)
            except (TrainToolsError, ContractError) as error:
                if left_out:
                    count = NOTHING
                else:
                    refused.append((run, error))
                    continue
            planned.append(
                PlannedRun(
                    run=run,
                    steps=count.steps,
                    epochs=count.epochs,
                    checkpoints=count.checkpoints,
                    images_per_step=per_step,
                    views=count.steps * per_step * _training_share(dataset) / (dataset.image_count or inf),
                    done=is_trained(version.run(run.name)),
                    left_out=left_out,
                    notes=count.notes,
                )
            )
        return Counted(runs=tuple(planned), refused=tuple(refused))

    def _stored(self, paths: VersionPaths, project: str, version: str, name: str | None) -> Grid:
        """What the grid of that name says, else the version."""
        if name is not None and paths.grid(checked_name(name, "grid name")).record.is_file():
            return read_grid(paths.grid(name)).grid
        settings = self._versions.settings(project, version)
        return Grid(base=settings.options, axes=settings.axes, rules=settings.rules, engine=settings.engine)


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
        key = tuple(cell.get(name) for name in ("dataset", "repeats", "captions", "mode", *PAIR))
        if key not in self._found:
            version = cell.get("dataset") or self._version
            dataset = self._versions.trained_on(self._project, version, cell)
            if not dataset.image_count and needs_dataset(cell):
                raise self._nothing_there(version, cell.get("mode"))
            self._found[key] = dataset
        return self._found[key]

    def _nothing_there(self, version: str, mode: str | None) -> DatasetNotUsableError:
        learns = f" Mode {mode} learns from them." if mode else ""
        return DatasetNotUsableError(
            f"{self._project} / {version} has no training images. Add some with "
            f'`train-tools dataset import "{self._project}" "{version}" PATH`.{learns}'
        )

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


def _images_per_step(engine: Engine, run: Run) -> int:
    def value(name: str) -> int:
        known: Any = engine.options[name].spec.default if name in engine.options else None
        return int(run.options.get(name) or known or 1)

    return value("train_batch_size") * value("gradient_accumulation_steps")


def _training_share(dataset: Dataset) -> float:
    """The part of what is drawn that is no regularisation: at most half of it is."""
    return 0.5 if dataset.regularisation else 1.0


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
