"""Which checkpoint: scores of a grid's checkpoints with the evidence, blind votes, loss curves side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from train_tools.model.score import Score, ScoredCheckpoint, ScoreTable, member_of
from train_tools.server.answers import Answer, Question, fresh
from train_tools.server.api.context import PictureLinks, TheApp, links_to

router = APIRouter(prefix="/projects/{project}/versions/{version}/grids/{grid}", tags=["scores"])


class ScoreAnswer(Answer):
    value: float | None
    """null where the number is no finite one."""
    error: float
    """One standard error."""
    confidence: float
    sureness: str
    """`low`, `moderate` or `high`."""
    evidence: str
    remarks: tuple[str, ...]
    """`no effect`, `burnt`, `copies`, `alike`."""
    details: Mapping[str, Any]


class UnscoredAnswer(Answer):
    scorer: str
    reason: str


class CheckpointScores(Answer):
    run: str
    label: str
    name: str
    path: Path
    epoch: int
    step: int
    images_seen: int
    scores: Mapping[str, ScoreAnswer]
    unscored: tuple[UnscoredAnswer, ...]
    total: float | None
    place: int | None
    """From 1 on; null where nothing ranks it."""


class SuggestionAnswer(Answer):
    path: Path
    confidence: float
    sureness: str
    reasons: tuple[str, ...]
    doubts: tuple[str, ...]


class EffectAnswer(Answer):
    scorer: str
    option: str
    means: tuple[tuple[Any, float, int], ...]
    """(value, mean of the runs' best scores, number of runs)."""
    best: Any
    spread: float
    noise: float | None
    """null where the grid has no runs that differ in their seed alone."""
    confidence: float
    evidence: str


class ScoresAnswer(Answer):
    grid: str
    checkpoints: tuple[CheckpointScores, ...]
    suggestion: SuggestionAnswer | None
    """What the evidence speaks for; never a choice."""
    effects: tuple[EffectAnswer, ...]
    unmeasured: int


class Measuring(Answer):
    job: int | None
    """null when everything was measured already."""


class PairAnswer(Answer):
    key: str
    prompt: str
    first: PictureLinks
    second: PictureLinks


class VoteWish(Question):
    key: str
    preference: str
    """`first`, `second` or `neither`."""


class VoteAnswer(Answer):
    kept: bool


class CurveAnswer(Answer):
    run: str
    label: str
    points: tuple[tuple[float, float], ...]
    validation: tuple[tuple[float, float], ...] = ()
    """(images seen, mean loss since the point before)."""


class CurvesAnswer(Answer):
    curves: tuple[CurveAnswer, ...]


@router.get("/scores", response_model=ScoresAnswer)
def scores(project: str, version: str, grid: str, request: Request, app: TheApp) -> Response:
    return fresh(request, _scores(app.scores.table(project, version, grid)))


@router.post("/scores", status_code=201)
def measure(project: str, version: str, grid: str, app: TheApp) -> Measuring:
    """Queues the measuring of what takes the base model."""
    job = app.scores.start(project, version, grid)
    return Measuring(job=job.id if job else None)


@router.get("/pair")
def pair(project: str, version: str, grid: str, app: TheApp) -> PairAnswer:
    """Two pictures to choose between. Whose they are is not told, but by the addresses of the pictures."""
    found = app.scores.pair(project, version, grid)
    return PairAnswer(
        key=found.key, prompt=found.prompt, first=links_to(app, found.first), second=links_to(app, found.second)
    )


@router.post("/votes", status_code=201)
def vote(project: str, version: str, grid: str, wish: VoteWish, app: TheApp) -> VoteAnswer:
    app.scores.vote(project, version, wish.key, member_of(wish.preference), grid)
    return VoteAnswer(kept=True)


@router.get("/losses", response_model=CurvesAnswer)
def losses(project: str, version: str, grid: str, request: Request, app: TheApp) -> Response:
    curves = tuple(
        CurveAnswer(run=each.run, label=each.label, points=each.points, validation=each.validation)
        for each in app.scores.losses(project, version, grid)
    )
    return fresh(request, CurvesAnswer(curves=curves))


def _scores(table: ScoreTable) -> ScoresAnswer:
    suggested = table.suggestion
    return ScoresAnswer(
        grid=table.grid,
        checkpoints=tuple(map(_checkpoint, table.checkpoints)),
        suggestion=None
        if suggested is None
        else SuggestionAnswer(
            path=suggested.path,
            confidence=suggested.confidence,
            sureness=suggested.sureness,
            reasons=suggested.reasons,
            doubts=suggested.doubts,
        ),
        effects=tuple(
            EffectAnswer(
                scorer=each.scorer,
                option=each.option,
                means=each.means,
                best=each.best,
                spread=each.spread,
                noise=each.noise,
                confidence=each.confidence,
                evidence=each.evidence,
            )
            for each in table.effects
        ),
        unmeasured=table.unmeasured,
    )


def _checkpoint(scored: ScoredCheckpoint) -> CheckpointScores:
    return CheckpointScores(
        run=scored.run,
        label=scored.label,
        name=scored.name,
        path=scored.path,
        epoch=scored.epoch,
        step=scored.step,
        images_seen=scored.images_seen,
        scores={name: _score(score) for name, score in scored.scores.items()},
        unscored=tuple(UnscoredAnswer(scorer=each.scorer, reason=each.reason) for each in scored.unscored),
        total=scored.total,
        place=scored.place,
    )


def _score(score: Score) -> ScoreAnswer:
    return ScoreAnswer(
        value=score.value,
        error=score.error,
        confidence=score.confidence,
        sureness=score.sureness,
        evidence=score.evidence,
        remarks=score.remarks,
        details=score.details,
    )
