"""Jobs that failed: what is known about the end of each, and what may be done next."""

from __future__ import annotations

from fastapi import APIRouter

from train_tools.model.failure import Failure, NextStep
from train_tools.server.answers import Answer
from train_tools.server.api.context import TheApp
from train_tools.server.api.jobs import JobNumber

router = APIRouter(tags=["jobs"])

LABELS = {
    NextStep.RETRY: "Try again",
    NextStep.LESS_MEMORY: "Try again with less memory",
    NextStep.SUGGEST: "Suggest other settings",
    NextStep.CLONE: "Try again with other settings",
}


class NextStepAnswer(Answer):
    action: NextStep
    label: str


class FailureAnswer(Answer):
    job: int
    attempt: int
    exit_code: int | None
    """None when nobody saw the end, or nothing was started."""
    message: str
    """What the job itself says."""
    tail: str
    """The last 40 lines of its log."""
    diagnosis: str
    """A name for programs, such as "disk full"; "unknown" when nothing is recognised."""
    happened: str
    advice: str
    next_steps: tuple[NextStepAnswer, ...]


@router.get("/jobs/{id}/failure")
def failure(id: JobNumber, app: TheApp) -> FailureAnswer:
    """Why a job failed. 409 for a job that has not."""
    return _failure(app.runs.failure(id))


def _failure(failure: Failure) -> FailureAnswer:
    diagnosis = failure.diagnosis
    return FailureAnswer(
        job=failure.job,
        attempt=failure.attempt,
        exit_code=failure.exit_code,
        message=failure.message,
        tail=failure.tail,
        diagnosis=diagnosis.name,
        happened=diagnosis.happened,
        advice=diagnosis.advice,
        next_steps=tuple(NextStepAnswer(action=step, label=LABELS[step]) for step in diagnosis.next_steps),
    )
