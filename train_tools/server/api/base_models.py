"""Base models: which there are, what suits them, and taking one into a version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from train_tools.model.base_model import BaseModelFile, CaptionStyle, Suggestions
from train_tools.model.expressions import typed
from train_tools.server.answers import Answer, Question, fresh
from train_tools.server.api.configs import ChangeAnswer, change_answer
from train_tools.server.api.context import TheApp

router = APIRouter(tags=["base models"])


class ModelAnswer(Answer):
    path: Path
    typed: str
    """The path as one would type it into a grid."""
    name: str
    size_bytes: int
    modified: float
    family: str
    prediction: str
    """`epsilon`, `v_prediction`, or empty."""
    prediction_sign: str
    resolution_px: int
    short_hash: str
    sha256: str
    """Empty until somebody had it worked out."""
    style: str
    """`tags`, `prose`, or empty."""
    style_reason: str
    style_chosen: bool
    problem: str


class FolderAnswer(Answer):
    folder: Path
    problem: str


class ModelList(Answer):
    models: tuple[ModelAnswer, ...]
    folders: tuple[FolderAnswer, ...]


class SuggestionAnswer(Answer):
    option: str
    value: Any
    typed: str
    """The value as one would type it."""
    reason: str


class SuitedAnswer(Answer):
    model: ModelAnswer
    options: tuple[SuggestionAnswer, ...]
    tagger: str


class NewStyle(Question):
    path: str
    style: CaptionStyle | None
    """null goes back to the guess."""


class ChosenModel(Question):
    path: str
    trigger_words: int = 1


@router.get("/models", response_model=ModelList)
def list_models(request: Request, app: TheApp, anew: bool = False) -> Response:
    """`anew` reads every file again."""
    found = app.base_models.all(anew=anew)
    good = tuple(FolderAnswer(folder=folder, problem="") for folder in found.folders)
    bad = tuple(FolderAnswer(folder=each.folder, problem=each.reason) for each in found.problems)
    return fresh(request, ModelList(models=tuple(_model(each) for each in found.models), folders=(*good, *bad)))


@router.get("/models/suggestions")
def suggestions(app: TheApp, path: str, trigger_words: int = Query(1, ge=0)) -> SuitedAnswer:
    """What suits the base model at a path, or of a name."""
    return _suited(app.base_models.find(path), app.base_models.suggestions(path, trigger_words))


@router.put("/models/style")
def set_style(new: NewStyle, app: TheApp) -> ModelAnswer:
    return _model(app.base_models.set_style(new.path, new.style))


@router.post("/models/hash")
def work_out_hash(model: ChosenModel, app: TheApp) -> ModelAnswer:
    """Reads the whole file, which takes its time, and remembers its sha256."""
    return _model(app.base_models.find(model.path, with_hash=True))


@router.put("/projects/{project}/versions/{version}/base-model")
def choose(project: str, version: str, chosen: ChosenModel, app: TheApp) -> ChangeAnswer:
    """Makes a base model the version's, with what suits it."""
    return change_answer(app.base_models.choose(project, version, chosen.path, chosen.trigger_words))


def _model(model: BaseModelFile) -> ModelAnswer:
    return ModelAnswer(
        path=model.path,
        typed=typed((model.path,)),
        name=model.path.name,
        size_bytes=model.size_bytes,
        modified=model.modified,
        family=model.family,
        prediction=model.prediction,
        prediction_sign=model.prediction_sign,
        resolution_px=model.resolution_px,
        short_hash=model.short_hash,
        sha256=model.sha256,
        style=str(model.style.style) if model.style else "",
        style_reason=model.style.reason if model.style else "",
        style_chosen=bool(model.style and model.style.chosen),
        problem=model.problem,
    )


def _suited(model: BaseModelFile, suited: Suggestions) -> SuitedAnswer:
    return SuitedAnswer(
        model=_model(model),
        options=tuple(
            SuggestionAnswer(option=each.option, value=each.value, typed=typed((each.value,)), reason=each.reason)
            for each in suited.options
        ),
        tagger=suited.tagger,
    )
