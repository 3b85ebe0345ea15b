"""Runs that come of others: the same once more, and the same with something changed. Each is a run of its own,
whose record says what it came of, and stands in the other's grid beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from sd_contract.tensors.tensor_files import file_sha256
from train_tools.app.jobs import Jobs
from train_tools.app.records import Records, seed_notes
from train_tools.app.runs import FoundRun, Runs
from train_tools.errors import BaseModelNotUsableError, DatasetNotUsableError
from train_tools.files import storage_error
from train_tools.grids.joined import join
from train_tools.grids.record import GridRecord, grid_name_for, write_grid
from train_tools.model.difference import Difference
from train_tools.model.grid import Grid, Run
from train_tools.model.paths import OutputsPaths, RunPaths
from train_tools.model.provenance import Descent, Origin
from train_tools.options.table import canonical_options
from train_tools.runs.checkpoints import checkpoints_of
from train_tools.runs.engine import Engine
from train_tools.runs.provenance import provenance_of
from train_tools.runs.record import RunRecord, now, write_record
from train_tools.runs.training import title_of, training_job


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """A run that is trained once more, beside itself."""

    original: RunPaths
    run: RunPaths
    job: int
    surroundings: Difference
    """What is not as it was: with it, equal results can't be promised."""
    notes: tuple[str, ...]


class Successors:
    """Makes runs of runs. Runs are named as `Runs.find` takes them."""

    def __init__(
        self,
        outputs: OutputsPaths,
        jobs: Jobs,
        runs: Runs,
        records: Records,
    ) -> None:
        self._outputs = outputs
        self._jobs = jobs
        self._runs = runs
        self._records = records

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
        spec = replace(original.spec, options=canonical_options(options), contract=engine.contract)
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
    write_grid(found.version, GridRecord(name=name, grid=Grid(base=run.options), runs=(run.name,), created=now()))
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
