"""Drafts: what was typed into the form of a version, so that a reload, a restart or a second tab finds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from train_tools.model.draft import Draft
from train_tools.server.answers import Answer, Question, fresh
from train_tools.server.api.context import TheApp
from train_tools.server.api.plans import Assignments, RulesQuestion

router = APIRouter(prefix="/projects/{project}/versions/{version}/draft", tags=["drafts"])


class DraftAnswer(Answer):
    assignments: Mapping[str, str]
    unset: tuple[str, ...]
    rules: RulesQuestion | None
    grid: str | None
    engine: str | None
    previews: bool | None


class DraftChange(Question):
    """What isn't named stays; of the rest, null is as it is stored."""

    fields: Mapping[str, str | None] = {}
    """By option, what stands in its field now: empty takes the trainer's default, null the stored value."""
    rules: RulesQuestion | None = None
    engine: str | None = None
    previews: bool | None = None


class Model(Question):
    """Of whom a draft is made."""

    name: str
    """A grid of the version; or a run, as everywhere."""


@router.get("", response_model=DraftAnswer)
def read(project: str, version: str, request: Request, app: TheApp) -> Response:
    return fresh(request, _draft(app.drafts.read(project, version)))


@router.patch("")
def change(project: str, version: str, asked: DraftChange, app: TheApp) -> DraftAnswer:
    """Keeps what was changed in one form, beside what was changed in others."""
    others: dict[str, Any] = {name: getattr(asked, name) for name in asked.model_fields_set - {"fields"}}
    if others.get("rules") is not None:
        others["rules"] = others["rules"].rules()
    draft = app.drafts.change(project, version, lambda known: replace(known.with_fields(asked.fields), **others))
    return _draft(draft)


@router.put("")
def put(project: str, version: str, asked: Assignments, app: TheApp) -> DraftAnswer:
    """Puts a whole draft in the place of the one that is there: an empty one forgets what was typed."""
    draft = asked.draft(app)
    return _draft(app.drafts.change(project, version, lambda _: draft))


@router.post("/like")
def begin_like(project: str, version: str, model: Model, app: TheApp) -> DraftAnswer:
    """Fills the form with the options of a grid or run. What was typed before is gone."""
    return _draft(app.drafts.begin_like(project, version, model.name))


def _draft(draft: Draft) -> DraftAnswer:
    return DraftAnswer(
        assignments=draft.assignments,
        unset=draft.unset,
        rules=None if draft.rules is None else RulesQuestion(**asdict(draft.rules)),
        grid=draft.grid,
        engine=draft.engine,
        previews=draft.previews,
    )
