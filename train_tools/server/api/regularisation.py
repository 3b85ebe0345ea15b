"""Regularisation images: planned, rendered as a job, taken from sets."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter

from train_tools.model.regularisation import RegularisationWish
from train_tools.server.answers import Answer, Question
from train_tools.server.api.context import TheApp
from train_tools.server.api.jobs import JobAnswer, job_answer

router = APIRouter(tags=["regularisation"])
OF_VERSION = "/projects/{project}/versions/{version}/dataset/regularisation"


class WishQuestion(Question):
    """What is left out, the version says."""

    class_name: str = ""
    without: tuple[str, ...] = ()
    """Words that name the subject; by default the trigger words."""
    word: str = ""
    """What it is in general; by default the class without them."""
    images: int = 0
    repeats: int = 1
    seed: int = 1
    steps: int | None = None
    sampler: str = ""
    guidance: float | None = None
    negative_prompt: str | None = None
    width_px: int | None = None
    height_px: int | None = None

    def wish(self) -> RegularisationWish:
        return RegularisationWish(**self.model_dump())


class PlanAnswer(Answer):
    folder: str
    prompts: tuple[str, ...]
    images: int
    missing: int
    """To be rendered; the others are in a set already."""


class SetAnswer(Answer):
    name: str
    folder: Path
    images: int


class SetList(Answer):
    sets: tuple[SetAnswer, ...]


class SetQuestion(Question):
    name: str
    class_name: str = ""
    images: int = 0
    repeats: int = 1


class TakenAnswer(Answer):
    folder: Path
    new: int


@router.get("/regularisation-sets")
def list_sets(app: TheApp) -> SetList:
    found = app.regularisation.sets()
    return SetList(sets=tuple(SetAnswer(name=each.name, folder=each.folder, images=each.images) for each in found))


@router.post(f"{OF_VERSION}/plan")
def plan(project: str, version: str, wish: WishQuestion, app: TheApp) -> PlanAnswer:
    found = app.regularisation.plan(project, version, wish.wish())
    return PlanAnswer(folder=found.folder, prompts=found.prompts, images=found.images, missing=found.missing)


@router.post(OF_VERSION, status_code=202)
def make(project: str, version: str, wish: WishQuestion, app: TheApp) -> JobAnswer:
    """Queues a job that renders what no set has, and gives the version its folder."""
    return job_answer(app.regularisation.make(project, version, wish.wish()))


@router.post(f"{OF_VERSION}/use")
def use(project: str, version: str, wanted: SetQuestion, app: TheApp) -> TakenAnswer:
    """Gives the version the images of a set."""
    folder, new = app.regularisation.use(
        project,
        version,
        wanted.name,
        class_name=wanted.class_name,
        images=wanted.images,
        repeats=wanted.repeats,
    )
    return TakenAnswer(folder=folder, new=new)
