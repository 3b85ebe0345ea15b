"""The job that lets one of the engine's LoRA tools make a file. It works on the CPU, beside trainings."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import sd_contract
from sd_contract.attempt import Attempt, Result
from train_tools.errors import StorageError
from train_tools.jobs.errand import Errand
from train_tools.jobs.kind import Exit, Launch
from train_tools.model.job import Job, JobState, NewJob, Verdict
from train_tools.tools.command_lines import ToolCall

KIND = "lora tool"
SCRIPTS = Path(sd_contract.__file__).parent.parent
STOP_GRACE_S = 60.0
"""One tensor of a base model may take seconds to decompose."""


def tool_job(folder: str, call: ToolCall, output: Path, title: str) -> NewJob:
    """A job that makes the file `output`. `folder` is relative to the outputs folder."""
    subject = {"script": call.script, "words": list(call.words), "output": str(output)}
    return NewJob(kind=KIND, title=title, folder=folder, subject=subject)


class ToolJob(Errand):
    """JobKind `lora tool`. One that was killed begins anew: its file is there whole, or not at all."""

    name = KIND

    def __init__(self, scripts: Path = SCRIPTS) -> None:
        self._scripts = scripts

    def prepare(self, job: Job, folder: Path, attempt: Attempt) -> Launch:
        try:
            script, output = job.subject["script"], job.subject["output"]
            words = [str(word) for word in job.subject["words"]]
        except (KeyError, TypeError) as error:
            raise StorageError(
                f"This job does not say what to do ({error}). Remove it and ask for the file again."
            ) from error
        return Launch(
            command=(
                sys.executable,
                str(self._scripts / "networks" / f"{script}.py"),
                *words,
                "--save_to",
                output,
            ),
            folder=attempt.folder,
            environment={"PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1"},
            stop_grace_s=STOP_GRACE_S,
        )

    def judge(self, job: Job, folder: Path, attempt: Attempt, exit_: Exit, result: Result | None) -> Verdict:
        verdict = super().judge(job, folder, attempt, exit_, result)
        if verdict.state is JobState.DONE:
            return replace(verdict, message=f"Written: {job.subject.get('output', '')}")
        if verdict.state is JobState.CANCELLED:
            return replace(verdict, message="Stopped; no file was written.")
        return verdict
