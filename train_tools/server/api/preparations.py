"""Trying a preparation on one picture, parts cut by hand, and how often images are drawn."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict

from fastapi import APIRouter

from train_tools.model.preparation import Crop, Preview
from train_tools.server.answers import Answer, Question
from train_tools.server.api.context import TheApp
from train_tools.server.api.versions import PreparationChange, changed

router = APIRouter(tags=["datasets"])
OF_VERSION = "/projects/{project}/versions/{version}/dataset"


class SettingAnswer(Answer):
    name: str
    kind: str
    """bool, int, float or str."""
    default: bool | int | float | str
    choices: tuple[str, ...]
    least: float | None
    most: float | None


class SettingList(Answer):
    settings: tuple[SettingAnswer, ...]
    background_removers: tuple[str, ...]
    """The files that may be named as one."""


class Trial(Question):
    """Which original (the first, if none is named), and what is tried on it in place of the stored settings."""

    original: str | None = None
    preparation: PreparationChange = PreparationChange()  # type: ignore[valid-type]


class StageAnswer(Answer):
    name: str
    pictures: tuple[str, ...]
    """PNG files as data: addresses."""


class PreviewAnswer(Answer):
    original: str
    stages: tuple[StageAnswer, ...]
    """The last holds the training images."""


class Part(Question):
    """Shares of the original's width and height, as it is seen upright."""

    left: float
    top: float
    right: float
    bottom: float


class CropChange(Question):
    original: str
    part: Part | None
    """null takes the whole picture again."""


class CropsAnswer(Answer):
    crops: Mapping[str, Part]
    """By the original's name in origin."""


class ScheduleAnswer(Answer):
    images: int
    repeats: int
    epochs: int
    steps: int
    steps_per_epoch: int
    steps_per_image: float
    steps_per_concept: float
    amount: str
    """Where the steps per image lie: below, inside or above 100 to 200."""
    shares: Mapping[str, float]
    """The part of training that each folder has."""


@router.get("/preparation-settings")
def settings(app: TheApp) -> SettingList:
    """What can be set about a preparation, with what is allowed."""
    return SettingList(
        settings=tuple(SettingAnswer(**asdict(each)) for each in app.preparations.settings()),
        background_removers=tuple(app.preparations.background_removers()),
    )


@router.post(f"{OF_VERSION}/preview")
def preview(project: str, version: str, trial: Trial, app: TheApp) -> PreviewAnswer:
    """What the steps make of one original. Nothing is stored."""
    stored = app.versions.settings(project, version).preparation
    settings = changed(stored, trial.preparation)
    return _previewed(app.preparations.preview(project, version, trial.original, settings))


@router.get(f"{OF_VERSION}/crops")
def crops(project: str, version: str, app: TheApp) -> CropsAnswer:
    """The parts of originals that were chosen by hand."""
    stored = app.preparations.crops(project, version)
    return CropsAnswer(crops={name: _part(crop) for name, crop in stored.items()})


@router.put(f"{OF_VERSION}/crops")
def change_crop(project: str, version: str, change: CropChange, app: TheApp) -> CropsAnswer:
    """Counts from the next preparation on."""
    part = Crop(**change.part.model_dump()) if change.part else None
    app.preparations.crop(project, version, change.original, part)
    return crops(project, version, app)


@router.get(f"{OF_VERSION}/schedule")
def schedule(
    project: str,
    version: str,
    app: TheApp,
    steps: int | None = None,
    repeats: int | None = None,
    epochs: int | None = None,
    batch: int = 1,
) -> ScheduleAnswer:
    """The third of steps, repeats and epochs from the other two."""
    found = app.preparations.schedule(project, version, steps=steps, repeats=repeats, epochs=epochs, batch=batch)
    return ScheduleAnswer(
        images=found.images,
        repeats=found.repeats,
        epochs=found.epochs,
        steps=found.steps,
        steps_per_epoch=found.steps_per_epoch,
        steps_per_image=found.steps_per_image,
        steps_per_concept=found.steps_per_concept,
        amount=found.amount,
        shares=app.preparations.shares(project, version),
    )


def _previewed(made: Preview) -> PreviewAnswer:
    stages = tuple(
        StageAnswer(name=stage.name, pictures=tuple(_address(picture) for picture in stage.pictures))
        for stage in made.stages
    )
    return PreviewAnswer(original=made.original, stages=stages)


def _address(picture: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture).decode('ascii')}"


def _part(crop: Crop) -> Part:
    return Part(left=crop.left, top=crop.top, right=crop.right, bottom=crop.bottom)
