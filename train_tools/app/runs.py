"""Runs of a version that exist: their checkpoints, and finding them again without the queue."""

from __future__ import annotations

from dataclasses import replace

from sd_contract.attempt import Attempt, read_result
from train_tools.app.jobs import Jobs
from train_tools.errors import JobMoveError
from train_tools.failures.diagnosis import Evidence, diagnose
from train_tools.files import last_lines
from train_tools.jobs.supervisor import read_exit
from train_tools.model.checkpoint import Checkpoint
from train_tools.model.failure import Diagnosis, Failure, NextStep
from train_tools.model.job import Job, JobState, Verdict
from train_tools.model.paths import AttemptPaths, OutputsPaths, RunPaths
from train_tools.projects.legacy import legacy_trains
from train_tools.projects.store import ProjectStore
from train_tools.runs.checkpoints import checkpoints_of
from train_tools.runs.rescan import finished_runs
from train_tools.runs.training import LINES_LOOKED_AT, TRAIN, title_of, training_job

ENDED_BADLY = (JobState.FAILED, JobState.LOST, JobState.CANCELLED)
LINES_SHOWN = 40
"""Of the log of a failed job."""


class Runs:
    """What has been trained."""

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
                        title_of(version.paths, finished.record.run),
                    )
                    verdict = Verdict(state=JobState(finished.outcome), message=finished.message)
                    found += self._jobs.queue.restore(job, verdict, finished.ended_at)
        return found


def _fitting(diagnosis: Diagnosis, job: Job) -> Diagnosis:
    """Only trainings have options; anything else can but be tried again."""
    return diagnosis if job.kind == TRAIN else replace(diagnosis, next_steps=(NextStep.RETRY,))
