"""Presets: options that go together, with the reason why."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Request
from starlette.responses import Response

from train_tools.model.draft import Draft
from train_tools.model.expressions import typed
from train_tools.model.preset import Preset
from train_tools.server.answers import Answer, Question, fresh
from train_tools.server.api.configs import ChangeAnswer, change_answer
from train_tools.server.api.context import TheApp
from train_tools.server.api.plans import Assignments

router = APIRouter(tags=["presets"])


class PresetAnswer(Answer):
    name: str
    why: str
    trainer: str
    """That it is for; empty = the bundled one, or any that knows its options."""
    family: str
    """Of the base models it is for; empty = any."""
    width_px: int | None
    """Of the training images; null = whatever they are."""
    height_px: int | None
    assignments: Mapping[str, str]
    """Options with their values as one would type them."""
    shipped: bool
    problem: str
    """Why it can't be read, or empty."""


class PresetList(Answer):
    presets: tuple[PresetAnswer, ...]


class NewPreset(Question):
    project: str
    version: str
    """Whose settings are kept."""
    why: str = ""
    draft: Assignments | None = None
    """What was typed and not submitted; null = what is stored alone."""
    replace: bool = False


class Choice(Question):
    preset: str
    over: bool = False
    """Keeps the version's other options."""


@router.get("/presets", response_model=PresetList)
def list_presets(request: Request, app: TheApp) -> Response:
    return fresh(request, PresetList(presets=tuple(_preset(each) for each in app.presets.all())))


@router.put("/presets/{name}", status_code=201)
def save(name: str, new: NewPreset, app: TheApp) -> PresetAnswer:
    """Keeps a version's settings; "my defaults" is what new versions begin with."""
    draft = new.draft.draft(app) if new.draft else Draft()
    settings = app.drafts.settled(new.project, new.version, draft)
    return _preset(app.presets.keep(settings, name, new.why, replacing=new.replace))


@router.delete("/presets/{name}", status_code=204)
def delete(name: str, app: TheApp) -> None:
    app.presets.delete(name)


@router.put("/projects/{project}/versions/{version}/preset")
def apply(project: str, version: str, choice: Choice, app: TheApp) -> ChangeAnswer:
    """Takes a preset into a version, in the place of its options."""
    return change_answer(app.presets.apply(project, version, choice.preset, over=choice.over))


def _preset(preset: Preset) -> PresetAnswer:
    several = {**{name: (value,) for name, value in preset.options.items()}, **preset.axes}
    return PresetAnswer(
        name=preset.name,
        why=preset.why,
        trainer=preset.engine,
        family=preset.family,
        width_px=preset.size_px[0] if preset.size_px else None,
        height_px=preset.size_px[1] if preset.size_px else None,
        assignments={name: typed(values) for name, values in several.items()},
        shipped=preset.shipped,
        problem=preset.problem,
    )
