"""Runs that come of others: the same once more, and the same with something changed. Each is a run of its own,
whose record says what it came of, and stands in the other's grid beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sd_contract.tensors.tensor_files import data_sha256, file_sha256
from train_tools.app.grids import Grids
from train_tools.app.jobs import Jobs
from train_tools.app.records import Records, seed_notes
from train_tools.app.runs import FoundRun, Runs
from train_tools.errors import BaseModelNotUsableError, DatasetNotUsableError, NotFoundError, OptionValueError
from train_tools.failures.memory import next_memory_step
from train_tools.failures.suggestions import suggestion
from train_tools.files import storage_error
from train_tools.grids.expressions import grid_of
from train_tools.grids.joined import join
from train_tools.grids.record import GridRecord, grid_name_for, write_grid
from train_tools.jobs.slots import slots_of_this_machine
from train_tools.model.checkpoint import Checkpoint
from train_tools.model.difference import Difference
from train_tools.model.grid import Grid, Run
from train_tools.model.job import JobState
from train_tools.model.paths import OutputsPaths, RunPaths, VersionPaths
from train_tools.model.plan import Submission
from train_tools.model.provenance import Descent, Origin
from train_tools.model.suggestion import Suggestion, Symptom
from train_tools.options.table import OptionTable
from train_tools.runs.checkpoints import checkpoints_of
from train_tools.runs.engine import Engine
from train_tools.runs.folders import RunFolders
from train_tools.runs.provenance import provenance_of
from train_tools.runs.record import RunRecord, now, write_record
from train_tools.runs.training import TRAIN, title_of, training_job

NOWHERE = "no folder"
"""What a run is called that has none: no folder of a run ends so."""


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """A run that is trained once more, beside itself."""

    original: RunPaths
    run: RunPaths
    job: int
    surroundings: Difference
    """What is not as it was: with it, equal results can't be promised."""
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Succession:
    """Runs that were queued beside the one they come of."""

    version: VersionPaths
    submission: Submission
    says: tuple[str, ...] = ()
    """What was changed, in words."""

    @property
    def project(self) -> str:
        return self.version.folder.parent.parent.name


class Successors:
    """Makes runs of runs. Runs are named as `Runs.find` takes them."""

    def __init__(
        self,
        outputs: OutputsPaths,
        jobs: Jobs,
        runs: Runs,
        records: Records,
        grids: Grids,
    ) -> None:
        self._outputs = outputs
        self._jobs = jobs
        self._runs = runs
        self._records = records
        self._grids = grids

    def reproduce(self, asked: str) -> Reproduction:
        """Queues the same run once more in a folder of its own. The original is only read.

        Raises DatasetNotUsableError or BaseModelNotUsableError when what it was made from is not there any more.
        """
        found = self._runs.find_own(asked)
        engine = self._records.engine_of(found)
        self._refuse_other_material(found)
        record = replace(self._again(found, engine), grid=_grid_of(found))
        write_record(found.version.run(record.run.name), record)
        join(found.version.grid(record.grid), record.run.name)
        title = title_of(found.version, record)
        [job] = self._jobs.queue.add([training_job(self._outputs, found.version, record, title)])
        return Reproduction(
            original=found.paths,
            run=found.version.run(record.run.name),
            job=job,
            surroundings=self._records.surroundings(found),
            notes=(*seed_notes(found), *_nothing_to_compare_with(found)),
        )

    def clone(self, asked: str, assignments: Mapping[str, str], unset: Sequence[str] = ()) -> Succession:
        """Queues the run with other values of some options, typed as for a grid: several values are several runs.
        `unset` go back to their defaults. Raises OptionValueError when nothing is changed."""
        found = self._runs.find_own(asked)
        if not assignments and not unset:
            raise OptionValueError("A clone needs something to change: give options with --set NAME=VALUE.")
        kept = {name: value for name, value in found.record.run.options.items() if name not in unset}
        return self._beside(
            found, grid_of(self._options_of(found), kept, {}, assignments), assignments, Descent.CLONE
        )

    def less_memory(self, asked: str) -> Succession:
        """Queues the run with the next step that takes less memory on top of the steps before it. Steps that were
        tried and have failed too are passed over. Raises OptionValueError when no step is left."""
        found = self._runs.find_own(asked)
        options, said = dict(found.record.run.options), []
        gpu = any(slot.is_gpu for slot in slots_of_this_machine())
        while (step := next_memory_step(options, gpu=gpu)) is not None:
            options |= step.changes
            said.append(step.says)
            if not self._has_failed(found, options):
                changed = [name for name in options if options[name] != found.record.run.options.get(name)]
                made = self._beside(found, Grid(base=options), changed, Descent.LESS_MEMORY)
                return replace(made, says=tuple(said))
        raise OptionValueError(
            f"Nothing is left that would take less memory of {found.record.label}. A WebUI on the same card can "
            "be started with --medvram or --lowvram, or closed; else train at a smaller resolution, or a smaller "
            "base model."
        )

    def suggest(self, asked: str, symptom: Symptom) -> Suggestion:
        """What to change in the next run, and why. Queues nothing: `clone` takes the changes."""
        return suggestion(symptom, self._runs.find(asked).record.run.options)

    def continue_from(self, checkpoint: str, epochs: int) -> Succession:
        """Queues a new run that begins with a checkpoint's weights and trains so many epochs on. Optimizer and
        schedule begin anew. Raises NotFoundError when the file is no checkpoint of a run."""
        found = self._runs.find_own(checkpoint)
        file = self._checkpoint(found, checkpoint)
        changed = {
            "network_weights": str(file.path),
            "dim_from_weights": True,
            "max_train_epochs": self._options_of(found).checked_value("max_train_epochs", epochs),
        }
        kept = {name: value for name, value in found.record.run.options.items() if name != "max_train_steps"}
        origin = Origin(
            how=Descent.CONTINUATION,
            run=found.record.run.name,
            checkpoint=file.name,
            tensors_sha256=data_sha256(file.path),
        )
        return self._beside(found, Grid(base={**kept, **changed}), ("max_train_epochs",), origin)

    def _beside(self, found: FoundRun, grid: Grid, changed: Iterable[str], origin: Origin | Descent) -> Succession:
        """Queues the runs of a grid beside the one they come of. They are labelled by what varied in that one's
        grid and by what was changed."""
        if isinstance(origin, Descent):
            origin = Origin(how=origin, run=found.record.run.name)
        grid = replace(grid, engine=found.record.run.spec.engine)
        shown = [name for name in dict.fromkeys((*found.record.run.varied, *changed)) if grid.values(name)]
        labelled = replace(
            grid,
            base={name: value for name, value in grid.base.items() if name not in shown},
            axes={name: grid.values(name) for name in shown},
        )
        submission = self._grids.submit_beside(found.version, labelled, origin, _grid_of(found))
        return Succession(version=found.version, submission=submission)

    def _options_of(self, found: FoundRun) -> OptionTable:
        return self._records.engine_of(found).options

    def _has_failed(self, found: FoundRun, options: Mapping[str, Any]) -> bool:
        """Whether the run with these options exists, and its training has failed."""
        contract = self._records.engine_of(found).contract
        spec = replace(
            found.record.run.spec, options=self._options_of(found).canonical(options), contract=contract
        )
        name = RunFolders(found.version).name_of(replace(found.record.run, name=NOWHERE, spec=spec))
        folder = found.version.run(name).folder.relative_to(self._outputs.folder).as_posix()
        job = self._jobs.queue.in_folder(folder, TRAIN)
        return job is not None and job.state is JobState.FAILED

    @staticmethod
    def _checkpoint(found: FoundRun, asked: str) -> Checkpoint:
        for checkpoint in checkpoints_of(found.paths):
            if Path(asked).name == checkpoint.path.name:
                return checkpoint
        names = ", ".join(checkpoint.path.name for checkpoint in checkpoints_of(found.paths))
        raise NotFoundError(
            f"{asked} is no checkpoint of {found.paths.folder.name}. There is: {names or 'none yet'}. Other LoRA "
            "files can be gone on from with the option network_weights."
        )

    def _refuse_other_material(self, found: FoundRun) -> None:
        changes = self._records.dataset_changes(found)
        if changes:
            raise DatasetNotUsableError(
                f"{found.record.run.name} can't be reproduced. {' '.join(changes)} Bring the dataset back to "
                "what it was, or clone the run to train on what is there now."
            )
        base_model = Path(found.record.run.base_model)
        self._records.engine_of(found).check_base_model(base_model)
        if file_sha256(base_model, self._outputs.cache) != found.record.run.spec.base_model:
            raise BaseModelNotUsableError(
                f"{found.record.run.name} can't be reproduced: {base_model} is another model now. Put the one of "
                f"sha256 {found.record.run.spec.base_model} there."
            )

    def _again(self, found: FoundRun, engine: Engine) -> RunRecord:
        """The record of the same run in a new folder, with today's code and the seed of then."""
        options = found.options_to_repeat()
        original = found.record.run
        spec = replace(original.spec, options=engine.options.canonical(options), contract=engine.contract)
        name = _new_folder(found.version.trains, f"{original.name}-again")
        return replace(
            found.record,
            run=Run(name=name, spec=spec, varied=original.varied, options=options),
            created=now(),
            made_with=provenance_of(engine),
            origin=Origin(how=Descent.REPRODUCTION, run=original.name),
        )


def _grid_of(found: FoundRun) -> str:
    """The name of the grid that the run is in; one of its own where that is gone."""
    if found.version.grid(found.record.grid).record.is_file():
        return found.record.grid
    run = found.record.run
    name = grid_name_for(found.version, [run.name])
    grid = Grid(base=run.options, engine=run.spec.engine)
    write_grid(found.version, GridRecord(name=name, grid=grid, runs=(run.name,), created=now()))
    return name


def _nothing_to_compare_with(found: FoundRun) -> tuple[str, ...]:
    return () if checkpoints_of(found.paths) else ("The original has no checkpoints to compare with.",)


def _new_folder(parent: Path, name: str) -> str:
    """Makes a folder of that name, or the first of `name-2`, `name-3` ... that nobody has."""
    free, number = name, 1
    while True:
        try:
            (parent / free).mkdir()
        except FileExistsError:
            number += 1
            free = f"{name}-{number}"
        except OSError as error:
            raise storage_error(parent / free, error) from error
        else:
            return free
