"""Captioners, and having a version's originals captioned."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from train_tools.model.captioning import DEFAULT_PROMPT, CaptionerState, CaptionSettings
from train_tools.server.answers import Answer, Question, fresh
from train_tools.server.api.context import TheApp

router = APIRouter(tags=["captioners"])
OF_VERSION = "/projects/{project}/versions/{version}/dataset/captioning"


class ModelAnswer(Answer):
    repository: str
    place: Path | None
    """The folder that holds its files; null while some are missing."""
    missing: tuple[str, ...]
    folder: Path
    """Where they may be put, and are fetched to."""
    about_bytes: int


class CaptionerAnswer(Answer):
    name: str
    title: str
    style: str | None
    """`tags` or `prose`; null for one that writes what it is asked to."""
    models: tuple[ModelAnswer, ...]
    problem: str
    ready: bool


class CaptionerList(Answer):
    captioners: tuple[CaptionerAnswer, ...]


class SuggestedAnswer(Answer):
    name: str
    reason: str


class ChosenCaptioner(Question):
    name: str
    model: str = ""
    """A Hugging Face repository or a folder; empty is the usual one."""


class WordsWish(Question):
    threshold: float | None = None
    character_threshold: float | None = None
    rating_threshold: float = 0.0
    character_tags: bool = True
    characters_first: bool = False
    rating: str = "none"
    spaces: bool = True
    escape_brackets: bool = False
    undesired: tuple[str, ...] = ()
    replacements: tuple[tuple[str, str], ...] = ()
    """Pairs of a tag and what is written for it."""
    always_first: tuple[str, ...] = ()


class CaptionWish(Question):
    captioners: tuple[ChosenCaptioner, ...]
    tags: WordsWish = Field(default_factory=WordsWish)
    existing: str = "ignore"
    """What becomes of the user's own captions: `ignore`, `copy`, `prepend`, `append`."""
    join: str = " "
    detail: str = "detailed"
    prompt: str = DEFAULT_PROMPT
    download: bool = False
    """Agrees to fetching what is missing; without it, that is answered with 409 and the names of the files."""
    again: bool = False


class Captioning(Answer):
    job: int


class UndoneAnswer(Answer):
    restored: int
    left: tuple[str, ...]
    """Pictures whose captions were changed since."""


@router.get("/captioners", response_model=CaptionerList)
def list_captioners(request: Request, app: TheApp) -> Response:
    return fresh(request, CaptionerList(captioners=tuple(_captioner(each) for each in app.captioners.all())))


@router.get(f"{OF_VERSION}/suggested")
def suggested(project: str, version: str, app: TheApp) -> SuggestedAnswer:
    """The captioner that suits the version's base model."""
    found = app.captioners.suggested(project, version)
    return SuggestedAnswer(name=found.name, reason=found.reason)


@router.post(OF_VERSION, status_code=201)
def caption(project: str, version: str, wish: CaptionWish, app: TheApp) -> Captioning:
    """Queues the captioning of the originals that these settings have not captioned yet."""
    settings = CaptionSettings.of(wish.model_dump(exclude={"download", "again"}))
    return Captioning(
        job=app.captioners.start(project, version, settings, download=wish.download, again=wish.again).id
    )


@router.post(f"{OF_VERSION}/undo")
def undo(project: str, version: str, app: TheApp) -> UndoneAnswer:
    """Puts back the captions that the user had."""
    undone = app.captioners.undo(project, version)
    return UndoneAnswer(restored=undone.restored, left=undone.left)


def _captioner(state: CaptionerState) -> CaptionerAnswer:
    return CaptionerAnswer(
        name=state.name,
        title=state.title,
        style=state.style,
        models=tuple(
            ModelAnswer(
                repository=model.repository,
                place=model.place,
                missing=model.missing,
                folder=model.folder,
                about_bytes=model.about_bytes,
            )
            for model in state.models
        ),
        problem=state.problem,
        ready=state.ready,
    )
