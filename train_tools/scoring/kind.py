"""The job that measures what takes a model: losses with fixed noise, and what models see on previews."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sd_contract.attempt import Attempt
from sd_contract.base_models.base_model import cpu_threads
from train_tools.jobs.errand import Errand, launch_of
from train_tools.jobs.kind import Launch, last_attempt
from train_tools.model.job import Job, NewJob
from train_tools.model.paths import OutputsPaths, VersionPaths
from train_tools.scoring.request import Missing, ScoreRequest, write_request

KIND = "score"
PROCESS = "train_tools.scoring.measuring_process"
STOP_GRACE_S = 60.0

MissingOf = Callable[[VersionPaths, str, bool], Missing]
"""What is still to be measured of a version's grid; the last says whether models may be fetched for it."""


def score_job(
    outputs: OutputsPaths, version: VersionPaths, grid: str, title: str, measurements: int, *, download: bool
) -> NewJob:
    """A job for what is not measured when it starts."""
    return NewJob(
        kind=KIND,
        title=title,
        folder=version.scores.relative_to(outputs.folder).as_posix(),
        subject={"grid": grid, "download": download},
        total_steps=measurements,
        attempt=last_attempt(version.scores),
    )


class ScoreJob(Errand):
    """JobKind `score`. What is measured stays; killed or paused, it goes on with the rest."""

    name = KIND

    def __init__(self, outputs: OutputsPaths, missing_of: MissingOf, device: str = "auto") -> None:
        self._outputs = outputs
        self._missing_of = missing_of
        self._device = device

    def prepare(self, job: Job, folder: Path, attempt: Attempt) -> Launch:
        download = bool(job.subject.get("download"))
        missing = self._missing_of(VersionPaths(folder.parent), str(job.subject["grid"]), download)
        request = ScoreRequest(
            missing=missing,
            cache=str(self._outputs.cache),
            weights=str(self._outputs.captioners),
            download=download,
            device=self._device,
        )
        launch = launch_of(PROCESS, attempt, write_request(attempt.folder, request), STOP_GRACE_S)
        threads = max((cpu_threads(Path(each.base_model)) for each in missing.series), default=1)
        quiet = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": str(threads)}
        return Launch(
            command=launch.command,
            folder=launch.folder,
            environment={**launch.environment, **quiet},
            stop_grace_s=launch.stop_grace_s,
        )
