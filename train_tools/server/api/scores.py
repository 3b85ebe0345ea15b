"""Which checkpoint: scores of a grid's checkpoints with the evidence, blind votes, loss curves side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from pydantic import StrictBool
from starlette.responses import Response

from train_tools.model.score import BestOf, Score, ScoredCheckpoint, ScoreTable, member_of
from train_tools.server.answers import Answer, Question, fresh
from train_tools.server.api.context import PictureLinks, TheApp
from train_tools.server.api.pictures import IMMUTABLE
from train_tools.server.security import API

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


class BestAnswer(Answer):
    value: Any
    path: Path
    run: str
    name: str
    score: float


class EffectAnswer(Answer):
    scorer: str
    option: str
    means: tuple[tuple[Any, float, int], ...]
    """(value, mean of the runs' best scores, number of runs)."""
    errors: tuple[float | None, ...]
    """Of each mean, one standard error by chance; null where the grid has no runs with other seeds."""
    best: Any
    best_checkpoints: tuple[BestAnswer, ...]
    """Of each value, in the order of `means`: the checkpoint with the best score."""
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


class MeasureWish(Question):
    download: StrictBool = False
    """Agrees to fetching models that look at previews, where they are missing."""


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
    varied: Mapping[str, Any]
    points: tuple[tuple[float, float], ...]
    """(images seen, mean loss since the point before)."""
    validation: tuple[tuple[float, float], ...]
    """(images seen, loss on those that are not trained on)."""
    checkpoints: tuple[tuple[float, str], ...]
    """(images seen, name)."""


class CurvesAnswer(Answer):
    curves: tuple[CurveAnswer, ...]


@router.get("/scores", response_model=ScoresAnswer)
def scores(project: str, version: str, grid: str, request: Request, app: TheApp) -> Response:
    return fresh(request, _scores(app.scores.table(project, version, grid)))


@router.post("/scores", status_code=201)
def measure(project: str, version: str, grid: str, app: TheApp, wish: MeasureWish | None = None) -> Measuring:
    """Queues the measuring of what takes the base model, or a model that looks at previews."""
    job = app.scores.start(project, version, grid, download=wish is not None and wish.download)
    return Measuring(job=job.id if job else None)


@router.get("/pair")
def pair(project: str, version: str, grid: str, app: TheApp) -> PairAnswer:
    """Two pictures to choose between. Neither their addresses nor the pictures themselves tell whose they are."""
    found = app.scores.pair(project, version, grid)
    first, second = (_blind(project, version, found.grid, key) for key in found.key.split("-"))
    return PairAnswer(key=found.key, prompt=found.prompt, first=first, second=second)


@router.get("/blind/{key}", response_class=Response)
def blind(project: str, version: str, grid: str, key: str, app: TheApp) -> Response:
    """A picture of a pair, without what it was made with."""
    content = app.scores.blind_picture(project, version, key, grid)
    return Response(content, media_type="image/png", headers={"cache-control": IMMUTABLE})


@router.post("/votes", status_code=201)
def vote(project: str, version: str, grid: str, wish: VoteWish, app: TheApp) -> VoteAnswer:
    app.scores.vote(project, version, wish.key, member_of(wish.preference), grid)
    return VoteAnswer(kept=True)


@router.get("/losses", response_model=CurvesAnswer)
def losses(project: str, version: str, grid: str, request: Request, app: TheApp) -> Response:
    curves = tuple(
        CurveAnswer(
            run=each.run,
            label=each.label,
            varied=each.varied,
            points=each.points,
            validation=each.validation,
            checkpoints=each.checkpoints,
        )
        for each in app.scores.losses(project, version, grid)
    )
    return fresh(request, CurvesAnswer(curves=curves))


def _blind(project: str, version: str, grid: str, key: str) -> PictureLinks:
    names = "/".join(quote(each, safe="") for each in ("projects", project, "versions", version, "grids", grid))
    address = f"{API}/{names}/blind/{key}"
    return PictureLinks(thumb=address, full=address)


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
                errors=each.errors,
                best=each.best,
                best_checkpoints=tuple(map(_best, each.best_checkpoints)),
                spread=each.spread,
                noise=each.noise,
                confidence=each.confidence,
                evidence=each.evidence,
            )
            for each in table.effects
        ),
        unmeasured=table.unmeasured,
    )


def _best(best: BestOf) -> BestAnswer:
    return BestAnswer(value=best.value, path=best.path, run=best.run, name=best.name, score=best.score)


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
