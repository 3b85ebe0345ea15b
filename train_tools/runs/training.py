"""The job that trains one run: prepares an attempt, publishes checkpoints, judges the end, asks for previews."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sd_contract.attempt import Attempt, Result
from sd_contract.events import AttemptStarted, CheckpointSaved, Event, Tail
from sd_contract.output.states import newest_state
from sd_contract.tensors.tensor_files import data_sha256
from train_tools.errors import DatasetNotUsableError, TrainToolsError
from train_tools.failures.diagnosis import UNKNOWN, Evidence, diagnose
from train_tools.files import last_lines
from train_tools.jobs.kind import Exit, Launch, attempts_in, last_attempt
from train_tools.model.dataset import Dataset
from train_tools.model.grid import BUNDLED
from train_tools.model.job import Job, JobState, NewJob, Verdict
from train_tools.model.paths import AttemptPaths, OutputsPaths, RunPaths, VersionPaths
from train_tools.model.plan import Turn
from train_tools.model.provenance import Descent
from train_tools.options.table import engine_options
from train_tools.runs.checkpoints import checkpoints_of, publish, publish_all
from train_tools.runs.engine import AttemptFiles, Engine, RunFiles
from train_tools.runs.false_starts import given_up
from train_tools.runs.machine import machine_here, write_machine
from train_tools.runs.record import RunRecord, read_record

TRAIN = "train"
PREVIEWS = "previews"
"""What a job's subject calls an order that says whether its run is rendered afterwards."""
LINES_LOOKED_AT = 200
"""Of the log of an attempt that ended without a word."""


def training_job(
    outputs: OutputsPaths, version: VersionPaths, record: RunRecord, title: str, turn: Turn | None = None
) -> NewJob:
    """The job for a run whose record is written."""
    turn = turn or Turn()
    paths = version.run(record.run.name)
    return NewJob(
        kind=TRAIN,
        title=title,
        folder=paths.folder.relative_to(outputs.folder).as_posix(),
        subject={
            "grid": record.grid,
            "label": record.label,
            "work": record.work,
            **({} if turn.previews is None else {PREVIEWS: turn.previews}),
        },
        total_steps=record.steps,
        attempt=last_attempt(paths.folder),
        priority=turn.priority,
        not_before=turn.not_before,
        grid=version.grid(record.grid).folder.relative_to(outputs.folder).as_posix(),
        stop_after_failures=turn.stop_after_failures,
    )


def title_of(version: VersionPaths, record: RunRecord) -> str:
    """What the queue calls the training of a run; the same grid may be there once more for another trainer."""
    engine = record.run.spec.engine
    trainer = "" if engine == BUNDLED else f" ({engine})"
    return f"{version.folder.parent.parent.name} / {version.folder.name}{trainer}: {record.label}"


class TrainingJob:
    """JobKind `train`."""

    name = TRAIN

    def __init__(
        self,
        outputs: OutputsPaths,
        engines: Mapping[str, Engine],
        *,
        dataset_of: Callable[[VersionPaths, Mapping[str, Any]], Dataset],
        previews_of: Callable[[VersionPaths, RunRecord], NewJob | None],
    ) -> None:
        self._outputs = outputs
        self._engines = engines
        self._dataset_of = dataset_of
        self._previews_of = previews_of

    def prepare(self, job: Job, folder: Path, attempt: Attempt) -> Launch:
        run, version = RunPaths(folder), VersionPaths(folder.parent.parent)
        record = read_record(run)
        engine = self._engine(record)
        dataset = self._dataset_of(version, record.run.options)
        if dataset.content != record.run.spec.dataset:
            raise DatasetNotUsableError(
                "The dataset was changed after this run was queued, so it would no longer be the run that was "
                "asked for. Submit the grid again: only what differs is trained."
            )
        _refuse_other_weights(record)
        base_model = Path(record.run.base_model)
        engine.check_base_model(base_model)
        if engine.contract != record.run.spec.contract:
            raise TrainToolsError(
                f"The trainer {engine.name} was changed after this run was queued, so it would no longer be the "
                "run that was asked for. Submit the grid again: what it trains now is another run."
            )
        write_machine(AttemptPaths(attempt.folder), machine_here(job.slot or "", engine, base_model))
        files = RunFiles(
            paths=run,
            options=engine_options(record.run.options),
            base_model=base_model,
            dataset=dataset,
            output_name=output_name(version),
        )
        engine.write(files)
        return engine.launch(
            files,
            AttemptFiles(
                output=AttemptPaths(attempt.folder).output,
                states=AttemptPaths(attempt.folder).states,
                resume=newest_state(earlier.states for earlier in attempts_in(run.folder)),
                cache=self._outputs.cache,
            ),
        )

    def observe(self, job: Job, folder: Path, attempt: Attempt, event: Event) -> None:
        if isinstance(event, CheckpointSaved):
            file = AttemptPaths(attempt.folder).output / Path(event.file).name
            if file.is_file():  # it may have been removed again by save_last_n_epochs
                publish(file, RunPaths(folder))

    def judge(self, job: Job, folder: Path, attempt: Attempt, exit_: Exit, result: Result | None) -> Verdict:
        run = RunPaths(folder)
        verdict = self._engine(read_record(run)).judge(attempt, exit_, result)
        if verdict.state is JobState.QUEUED:
            ended = given_up(run, AttemptPaths(attempt.folder), exit_) or verdict
            return _in_words(ended, attempt, exit_)
        if verdict.state is JobState.DONE:
            self._withdraw(result, run)
            problems = publish_all(AttemptPaths(attempt.folder).output, run)
            if problems:
                return Verdict(state=JobState.FAILED, message=problems[0])
            for tried in attempts_in(run.folder):  # nothing goes on from a run that is done
                shutil.rmtree(tried.states, ignore_errors=True)
        return verdict

    def follow_ups(self, job: Job, folder: Path, verdict: Verdict) -> Sequence[NewJob]:
        run, version = RunPaths(folder), VersionPaths(folder.parent.parent)
        if verdict.state is JobState.CANCELLED or not checkpoints_of(run):
            return ()
        record = read_record(run)
        grid = job.subject.get("grid", record.grid)  # a run may be asked for again by another grid
        previews = self._previews_of(version, replace(record, grid=grid))
        return (previews,) if previews else ()

    @staticmethod
    def _withdraw(result: Result | None, run: RunPaths) -> None:
        """Takes back what was published and then removed by the trainer itself, as `save_last_n_epochs` asks. A
        trainer that goes on where an earlier attempt ended removes that one's files too."""
        kept = set(result.files) if result is not None else set()
        for event in _story(run):
            if isinstance(event, CheckpointSaved) and kept and event.file not in kept:
                (run.folder / Path(event.file).name).unlink(missing_ok=True)

    def _engine(self, record: RunRecord) -> Engine:
        try:
            return self._engines[record.run.spec.engine]
        except KeyError:
            raise TrainToolsError(
                f"The run was made for the trainer {record.run.spec.engine!r}, which is not installed here. "
                f"There is: {', '.join(self._engines)}."
            ) from None


def _story(run: RunPaths) -> Iterator[Event]:
    """What the newest attempt has told, and those before it back to the one that began at the first step."""
    for tried in reversed(attempts_in(run.folder)):
        events = list(Tail(Attempt(tried.folder).events).events())
        yield from events
        if not any(isinstance(event, AttemptStarted) and event.from_step for event in events):
            return


def _refuse_other_weights(record: RunRecord) -> None:
    """A continuation is queued for the weights that a file had then; its path alone says nothing."""
    if record.origin is None or record.origin.how is not Descent.CONTINUATION:
        return
    file = Path(str(record.run.options.get("network_weights")))
    if data_sha256(file) != record.origin.tensors_sha256:
        raise TrainToolsError(
            f"{file} does not hold the weights any more that this run was to go on from. Continue from it again: "
            "that makes a new run."
        )


def _in_words(verdict: Verdict, attempt: Attempt, exit_: Exit) -> Verdict:
    """The verdict on a trainer that ended without a word of its own: its log may have one."""
    log = last_lines(AttemptPaths(attempt.folder).log, LINES_LOOKED_AT)
    diagnosis = diagnose(Evidence(log=log, exit_=exit_))
    if diagnosis.name == UNKNOWN:
        return verdict
    return replace(verdict, message=f"{diagnosis.happened} {verdict.message}".strip())


def output_name(version: VersionPaths) -> str:
    """The name checkpoints begin with: `<project>-<version>` (S1-45)."""
    return f"{version.folder.parent.parent.name}-{version.folder.name}"
