"""A version's settings: how it is prepared, and the options and axes that a plan begins with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, get_type_hints

from fastapi import APIRouter, Request
from pydantic import create_model
from starlette.responses import Response

from train_tools.model.expressions import typed
from train_tools.model.grid import Rules
from train_tools.model.preparation import Preparation
from train_tools.model.project import VersionSettings
from train_tools.server.answers import Answer, Question, fresh
from train_tools.server.api.context import TheApp

router = APIRouter(prefix="/projects/{project}/versions/{version}", tags=["versions"])


class SettingsAnswer(Answer):
    preparation: Preparation
    assignments: Mapping[str, str]
    """Every stored option with its values as one would type them."""
    rules: Rules
    """What makes the grid less, or more, than the product of its axes."""
    engine: str
    """The trainer whose options these are."""
    previews_after_training: bool


class PreviewsChange(Question):
    after_training: bool


_types = get_type_hints(Preparation)
_each_optional: dict[str, Any] = {each.name: (_types[each.name] | None, None) for each in fields(Preparation)}
PreparationChange = create_model(
    "PreparationChange",
    __base__=Question,
    __doc__="What isn't given stays as it is.",
    **_each_optional,
)


@router.get("/settings", response_model=SettingsAnswer)
def settings(project: str, version: str, request: Request, app: TheApp) -> Response:
    return fresh(request, _settings(app.versions.settings(project, version)))


@router.patch("/settings/preparation")
def change_preparation(project: str, version: str, change: PreparationChange, app: TheApp) -> SettingsAnswer:  # type: ignore[valid-type]
    stored = app.versions.settings(project, version)
    app.versions.change_preparation(project, version, changed(stored.preparation, change))
    return _settings(app.versions.settings(project, version))


@router.patch("/settings/previews")
def change_previews(project: str, version: str, change: PreviewsChange, app: TheApp) -> SettingsAnswer:
    """Whether a run that has ended is rendered by itself."""
    app.versions.render_after_training(project, version, change.after_training)
    return _settings(app.versions.settings(project, version))


def changed(preparation: Preparation, change: Question) -> Preparation:
    """With what is given in a PreparationChange."""
    return replace(preparation, **change.model_dump(exclude_none=True))


def _settings(stored: VersionSettings) -> SettingsAnswer:
    several = {**{name: (value,) for name, value in stored.options.items()}, **stored.axes}
    return SettingsAnswer(
        preparation=stored.preparation,
        assignments={name: typed(values) for name, values in several.items() if None not in values},
        rules=stored.rules,
        engine=stored.engine,
        previews_after_training=stored.previews.after_training,
    )
