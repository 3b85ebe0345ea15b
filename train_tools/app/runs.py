"""Runs of a version that exist: their checkpoints, and finding them again without the queue."""

from __future__ import annotations

from train_tools.app.jobs import Jobs
from train_tools.model.checkpoint import Checkpoint
from train_tools.model.job import JobState, Verdict
from train_tools.model.paths import OutputsPaths, RunPaths
from train_tools.projects.legacy import legacy_trains
from train_tools.projects.store import ProjectStore
from train_tools.runs.checkpoints import checkpoints_of
from train_tools.runs.rescan import finished_runs
from train_tools.runs.training import title_of, training_job


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
