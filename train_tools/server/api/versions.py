"""A version's settings: how it is prepared, and the options and axes that a plan begins with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace

from fastapi import APIRouter, Request
from starlette.responses import Response

from train_tools.model.dataset import Preparation
from train_tools.model.expressions import typed
from train_tools.model.project import VersionSettings
from train_tools.server.answers import Answer, Question, fresh
from train_tools.server.api.context import TheApp

router = APIRouter(prefix="/projects/{project}/versions/{version}", tags=["versions"])


class PreparationAnswer(Answer):
    width_px: int
    height_px: int
    mirrored_copies: bool
    background: str
    repeats: int
    """-1 = chosen by the number of images."""
    class_name: str


class SettingsAnswer(Answer):
    preparation: PreparationAnswer
    assignments: Mapping[str, str]
    """Every stored option with its values as one would type them."""
    previews_after_training: bool


class PreviewsChange(Question):
    after_training: bool


class PreparationChange(Question):
    """What isn't given stays as it is."""

    width_px: int | None = None
    height_px: int | None = None
    mirrored_copies: bool | None = None
    background: str | None = None
    repeats: int | None = None
    class_name: str | None = None


@router.get("/settings", response_model=SettingsAnswer)
def settings(project: str, version: str, request: Request, app: TheApp) -> Response:
    return fresh(request, _settings(app.versions.settings(project, version)))


@router.patch("/settings/preparation")
def change_preparation(project: str, version: str, change: PreparationChange, app: TheApp) -> SettingsAnswer:
    stored = app.versions.settings(project, version)
    changed = replace(stored, preparation=_changed(stored.preparation, change))
    app.versions.save_settings(project, version, changed)
    return _settings(changed)


@router.patch("/settings/previews")
def change_previews(project: str, version: str, change: PreviewsChange, app: TheApp) -> SettingsAnswer:
    """Whether a run that has ended is rendered by itself."""
    app.versions.render_after_training(project, version, change.after_training)
    return _settings(app.versions.settings(project, version))


def _changed(preparation: Preparation, change: PreparationChange) -> Preparation:
    return replace(preparation, **change.model_dump(exclude_none=True))


def _settings(stored: VersionSettings) -> SettingsAnswer:
    several = {**{name: (value,) for name, value in stored.options.items()}, **stored.axes}
    return SettingsAnswer(
        preparation=PreparationAnswer(**asdict(stored.preparation)),
        assignments={name: typed(values) for name, values in several.items() if None not in values},
        previews_after_training=stored.previews.after_training,
    )
