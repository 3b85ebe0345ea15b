"""Runs that exist: finding them, with and without the queue, their checkpoints, and what went wrong with them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sd_contract.attempt import Attempt, read_result
from train_tools.app.jobs import Jobs
from train_tools.errors import JobMoveError, NotFoundError
from train_tools.failures.diagnosis import Evidence, diagnose
from train_tools.files import last_lines
from train_tools.jobs.supervisor import read_exit
from train_tools.model.checkpoint import Checkpoint
from train_tools.model.failure import Diagnosis, Failure, NextStep
from train_tools.model.job import Job, JobState, Verdict
from train_tools.model.paths import AttemptPaths, OutputsPaths, RunPaths, VersionPaths
from train_tools.projects.legacy import legacy_trains
from train_tools.projects.store import ProjectStore
from train_tools.runs.checkpoints import checkpoints_of, seed_of
from train_tools.runs.record import RunRecord, read_record
from train_tools.runs.rescan import finished_runs
from train_tools.runs.training import LINES_LOOKED_AT, TRAIN, title_of, training_job

ENDED_BADLY = (JobState.FAILED, JobState.LOST)
LINES_SHOWN = 40
"""Of the log of a failed job."""


@dataclass(frozen=True, kw_only=True)
class FoundRun:
    """A run with the version it belongs to."""

    version: VersionPaths
    paths: RunPaths
    record: RunRecord

    def options_to_repeat(self) -> Mapping[str, Any]:
        """What it would be made with again: its options, with the seed that the trainer drew where none was given
        and a checkpoint tells it."""
        given = self.record.run.options
        drawn = None if given.get("seed") is not None else seed_of(self.paths)
        return given if drawn is None else {**given, "seed": drawn}


class Runs:
    """What has been trained, or is to be."""

    def __init__(self, outputs: OutputsPaths, store: ProjectStore, jobs: Jobs) -> None:
        self._outputs = outputs
        self._store = store
        self._jobs = jobs

    def checkpoints(self, project: str, version: str) -> tuple[Checkpoint, ...]:
        """All runs' checkpoints, newest run first."""
        opened = self._store.open_version(project, version)
        if opened.legacy:
            return tuple(entry for train in legacy_trains(opened.paths) for entry in train.checkpoints)
        runs = sorted(
            opened.paths.trains.glob("*/run.toml"), key=lambda record: record.stat().st_mtime, reverse=True
        )
        return tuple(entry for run in runs for entry in checkpoints_of(RunPaths(run.parent)))

    def find(self, asked: str) -> FoundRun:
        """The run that is meant by a job's number, by the name of a run's folder, or by the path of one or of a
        file in it: whole, or from the outputs folder or from here. Raises NotFoundError."""
        return _read(self._folder(asked))

    def find_own(self, asked: str) -> FoundRun:
        """The same, for runs that lie below this outputs folder: others can be read but not trained from here."""
        folder = self._folder(asked)
        if not folder.resolve().is_relative_to(self._outputs.folder.resolve()):
            raise NotFoundError(
                f"{folder} lies outside of {self._outputs.folder}. Name its outputs folder with --outputs."
            )
        return _read(folder)

    def failure(self, id_: int) -> Failure:
        """What is known about the newest attempt at a job that ended badly. Raises JobMoveError for any other."""
        job = self._jobs.get(id_)
        if job.state not in ENDED_BADLY:
            raise JobMoveError(
                f"Job {id_} ({job.title}) has not failed: it is {job.state}. `train-tools log {id_}` shows its "
                "log."
            )
        paths = AttemptPaths.of(self._outputs.folder / job.folder, job.attempt)
        exit_ = read_exit(paths)
        evidence = Evidence(
            log=last_lines(paths.log, LINES_LOOKED_AT),
            exit_=exit_,
            result=read_result(Attempt(paths.folder)),
            message=job.message,
        )
        return Failure(
            job=job.id,
            title=job.title,
            state=job.state,
            attempt=job.attempt,
            exit_code=exit_.code if exit_ else None,
            message=job.message,
            tail=last_lines(paths.log, LINES_SHOWN),
            diagnosis=_fitting(diagnose(evidence), job),
        )

    def rescan(self) -> int:
        """Brings finished runs that the queue file does not know back into it; returns how many."""
        found = 0
        for project in self._store.list():
            for version in self._store.versions(project.name):
                for finished in finished_runs(version.paths):
                    job = training_job(
                        self._outputs,
                        version.paths,
                        finished.record,
                        title_of(version.paths, finished.record),
                    )
                    verdict = Verdict(state=JobState(finished.outcome), message=finished.message)
                    found += self._jobs.queue.restore(job, verdict, finished.ended_at)
        return found

    def _folder(self, asked: str) -> Path:
        if re.fullmatch(r"[0-9]{1,18}", asked):
            return self._of_job(asked)
        return self._named(asked) or self._at(asked)

    def _of_job(self, number: str) -> Path:
        """The folder of the run that a job trains, or renders the previews of."""
        job = self._jobs.get(int(number))
        folder = self._outputs.folder / job.folder
        for candidate in (folder, folder.parent):
            if RunPaths(candidate).record.is_file():
                return candidate
        raise NotFoundError(f"Job {number} ({job.title}) is not about one run.")

    def _named(self, name: str) -> Path | None:
        if Path(name).name != name:
            return None
        versions = (version for project in self._store.list() for version in self._store.versions(project.name))
        found: list[RunPaths] = []
        with contextlib.suppress(OSError):  # a name that no file can have
            found = [run for run in (version.paths.run(name) for version in versions) if run.record.is_file()]
        if len(found) > 1:
            places = ", ".join(str(run.folder) for run in found)
            raise NotFoundError(f"There is more than one run {name}: {places}. Give the path of one.")
        return found[0].folder if found else None

    def _at(self, text: str) -> Path:
        with contextlib.suppress(OSError, RuntimeError):  # what can't be a path: too long, ~ of nobody
            for path in (self._outputs.folder / text, Path(text).expanduser().absolute()):
                for folder in (path, path.parent):
                    if RunPaths(folder).record.is_file():
                        return folder
        raise NotFoundError(
            f"There is no run {text!r}. Give a job's number (`train-tools jobs` lists them), the name of a run's "
            "folder, or its path."
        )


def _read(folder: Path) -> FoundRun:
    paths = RunPaths(folder)
    return FoundRun(version=VersionPaths(folder.parent.parent), paths=paths, record=read_record(paths))


def _fitting(diagnosis: Diagnosis, job: Job) -> Diagnosis:
    """Only trainings have options; anything else can but be tried again."""
    return diagnosis if job.kind == TRAIN else replace(diagnosis, next_steps=(NextStep.RETRY,))
