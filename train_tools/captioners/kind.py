"""The job that captions a version's originals."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import sd_contract
import train_tools
from sd_contract.attempt import Attempt, Result
from sd_contract.events import Event
from train_tools.captioners.request import CaptionRequest, CaptionWork, write_request
from train_tools.datasets.origin import originals
from train_tools.errors import DatasetNotUsableError
from train_tools.jobs.kind import Exit, Launch, last_attempt
from train_tools.model.job import Job, JobState, NewJob, Verdict
from train_tools.model.paths import OutputsPaths, VersionPaths

KIND = "caption"
PROCESS = "train_tools.captioners.captioning_process"
OUTCOMES = {"done": JobState.DONE, "failed": JobState.FAILED, "cancelled": JobState.CANCELLED}


def caption_job(outputs: OutputsPaths, version: VersionPaths, work: CaptionWork, title: str) -> NewJob:
    """A job for what is not captioned when it starts. Raises DatasetNotUsableError when there are no pictures."""
    pictures = originals(version)
    if not pictures:
        raise DatasetNotUsableError("There are no pictures to caption. Import some first.")
    return NewJob(
        kind=KIND,
        title=title,
        folder=version.captioning.relative_to(outputs.folder).as_posix(),
        subject=work.subject(),
        total_steps=len(pictures),
        attempt=last_attempt(version.captioning),
    )


class CaptionJob:
    """Captions in a process of its own; a JobKind. `device` as in `CaptionRequest`."""

    name = KIND

    def __init__(self, outputs: OutputsPaths, device: str = "auto", python: Path = Path(sys.executable)) -> None:
        self._outputs = outputs
        self._device = device
        self._python = python

    def prepare(self, job: Job, folder: Path, attempt: Attempt) -> Launch:
        request = CaptionRequest(
            version=VersionPaths(folder.parent),
            work=CaptionWork.of(job.subject),
            weights=self._outputs.captioners,
            device=self._device,
        )
        file = write_request(attempt.folder, request)
        return Launch(
            command=(str(self._python), "-m", PROCESS, str(file)),
            folder=attempt.folder,
            environment={
                "PYTHONPATH": _import_path(),
                "PYTHONIOENCODING": "utf-8",
                "HF_HUB_OFFLINE": "1",
                "TOKENIZERS_PARALLELISM": "false",
            },
        )

    def observe(self, job: Job, folder: Path, attempt: Attempt, event: Event) -> None:
        """Captions lie where they belong as soon as they are written; there is nothing to do."""

    def judge(self, job: Job, folder: Path, attempt: Attempt, exit_: Exit, result: Result | None) -> Verdict:
        if result is not None:
            return Verdict(state=OUTCOMES[result.outcome], message=result.message)
        if exit_.stopped:
            return Verdict(state=JobState.CANCELLED, message="Stopped.")
        if exit_.code is None or exit_.code < 0:
            return Verdict(state=JobState.QUEUED, message="The captioners were killed from outside.")
        return Verdict(
            state=JobState.FAILED,
            message=f"The captioners ended with code {exit_.code} and did not say why. The job's log may.",
        )

    def follow_ups(self, job: Job, folder: Path, verdict: Verdict) -> Sequence[NewJob]:
        return ()


def _import_path() -> str:
    """PYTHONPATH with the folders that our packages lie in put first."""
    ours = [str(Path(package.__path__[0]).resolve().parent) for package in (train_tools, sd_contract)]
    inherited = os.environ.get("PYTHONPATH", "")
    return os.pathsep.join(dict.fromkeys([*ours, *filter(None, inherited.split(os.pathsep))]))
