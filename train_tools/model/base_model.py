"""Base models as people choose them: files in folders, with what they hold and how their captions should read."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any


class CaptionStyle(StrEnum):
    """What the captions were like that a model was taught with; a LoRA's should be the same."""

    TAGS = "tags"
    PROSE = "prose"


class Tagger(StrEnum):
    """What writes captions of a style."""

    BOORU = "a booru tagger"
    CAPTIONS = "a captioning model"


@dataclass(frozen=True, kw_only=True)
class StyleOfModel:
    style: CaptionStyle
    reason: str
    """What it was guessed from; or that the user says so."""
    chosen: bool = False


@dataclass(frozen=True, kw_only=True)
class BaseModelFile:
    """One file or diffusers folder. What can't be told of a file that can't be used is empty."""

    path: Path
    size_bytes: int = 0
    modified: float = 0.0
    family: str = ""
    """`sd1`, `sd2`, `sdxl`, `sdxl_refiner`."""
    prediction: str = ""
    """`epsilon` or `v_prediction`."""
    prediction_sign: str = ""
    """What says so; empty where it is only the family's usual one."""
    resolution_px: int = 0
    short_hash: str = ""
    """The eight digits that older programs know it by."""
    sha256: str = ""
    """Empty until somebody had it worked out: large files take their time."""
    style: StyleOfModel | None = None
    problem: str = ""
    """Why it can't be trained on, in words."""


@dataclass(frozen=True, kw_only=True)
class FolderProblem:
    folder: Path
    reason: str


@dataclass(frozen=True, kw_only=True)
class BaseModelList:
    models: tuple[BaseModelFile, ...]
    folders: tuple[Path, ...]
    """Where they were looked for."""
    problems: tuple[FolderProblem, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """A value that suits a base model, and why."""

    option: str
    value: Any
    reason: str


@dataclass(frozen=True, kw_only=True)
class Suggestions:
    options: tuple[Suggestion, ...]
    tagger: Tagger
    notes: tuple[str, ...] = field(default=())
