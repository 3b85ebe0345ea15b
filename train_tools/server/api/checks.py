"""Checks of a version's training images: what was found, looking at what is new, cures and their undoing; what
buckets make of each image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from pydantic import Field

from train_tools.model.checks import Cure, CureKind, CureRecord, DatasetFinding
from train_tools.model.finding import Level
from train_tools.server.answers import Answer, Question
from train_tools.server.api.context import TheApp
from train_tools.server.api.jobs import JobAnswer, job_answer

router = APIRouter(prefix="/projects/{project}/versions/{version}/dataset/checks", tags=["checks"])


class CureAnswer(Answer):
    kind: CureKind
    arguments: Mapping[str, Any]
    """What `POST .../cures` takes, together with the kind."""
    words: str


class FindingAnswer(Answer):
    check: str
    level: Level
    message: str
    cure: str
    """What to do, in words."""
    images: tuple[str, ...]
    """All that it is about, as captions name them."""
    remedy: CureAnswer | None
    """The same as Train Tools can do it; null where somebody has to."""


class ShareAnswer(Answer):
    folder: str
    images: int
    repeats: int
    draws: int
    share: float


class CheckAnswer(Answer):
    images: int
    not_looked_at: int
    """Images whose pixels nobody has looked at yet: POST starts that."""
    findings: tuple[FindingAnswer, ...]
    """The worst first."""
    shares: tuple[ShareAnswer, ...]


class CureQuestion(Question):
    kind: CureKind
    arguments: Mapping[str, Any] = Field(default_factory=dict)


class CureRecordAnswer(Answer):
    number: int
    when: str
    what: str
    kind: str
    undone: bool


class CureList(Answer):
    cures: tuple[CureRecordAnswer, ...]


@router.get("")
def show(project: str, version: str, app: TheApp) -> CheckAnswer:
    """What is known: captions and sizes as they are now, pixels as far as they were looked at."""
    found = app.checks.found(project, version)
    return CheckAnswer(
        images=found.images,
        not_looked_at=found.not_looked_at,
        findings=tuple(map(_finding, found.findings)),
        shares=tuple(
            ShareAnswer(
                folder=each.folder,
                images=each.images,
                repeats=each.repeats,
                draws=each.draws,
                share=each.share,
            )
            for each in app.checks.shares(project, version)
        ),
    )


@router.post("", status_code=202)
def look(project: str, version: str, app: TheApp) -> JobAnswer:
    """Queues a light job that looks at the pixels of all images that are new or changed."""
    return job_answer(app.datasets.check_later(project, version))


@router.get("/cures")
def list_cures(project: str, version: str, app: TheApp) -> CureList:
    return CureList(cures=tuple(map(_record, app.checks.cures(project, version))))


@router.post("/cures")
def cure(project: str, version: str, wanted: CureQuestion, app: TheApp) -> CureRecordAnswer:
    """Applies a cure as a finding had it, or with fewer images."""
    return _record(app.checks.apply(project, version, Cure(kind=wanted.kind, arguments=wanted.arguments)))


@router.post("/cures/{number}/undo")
def undo(project: str, version: str, number: int, app: TheApp) -> CureRecordAnswer:
    return _record(app.checks.undo(project, version, number))


def _finding(found: DatasetFinding) -> FindingAnswer:
    remedy = found.remedy
    return FindingAnswer(
        check=found.check,
        level=found.level,
        message=found.message,
        cure=found.cure,
        images=found.images,
        remedy=CureAnswer(kind=remedy.kind, arguments=remedy.arguments, words=remedy.in_words) if remedy else None,
    )


def _record(record: CureRecord) -> CureRecordAnswer:
    return CureRecordAnswer(
        number=record.number, when=record.when, what=record.what, kind=record.kind, undone=record.undone
    )
