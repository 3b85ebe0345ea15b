"""A project and its versions: folders the user may copy to another machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from train_tools.model.captions import Trigger
from train_tools.model.grid import BUNDLED, Rules
from train_tools.model.paths import ProjectPaths, VersionPaths
from train_tools.model.preparation import Preparation
from train_tools.model.preview import PreviewSettings


@dataclass(frozen=True, kw_only=True)
class Project:
    """A subject to train. Its name is the LoRA's name."""

    name: str
    created: datetime
    paths: ProjectPaths
    notes: str = ""
    versions: tuple[str, ...] = ()
    """Names, newest first."""
    problem: str = ""
    """Why project.toml can't be read, in words; the project is listed all the same."""


@dataclass(frozen=True, kw_only=True)
class Version:
    """One state of the dataset plus the runs made from it."""

    project: str
    name: str
    created: datetime
    paths: VersionPaths
    notes: str = ""
    legacy: bool = False
    """Written by an older Train Tools: opened as it is, never changed by being read."""
    problem: str = ""
    """Why version.toml can't be read, in words; the version is listed all the same."""


@dataclass(frozen=True, kw_only=True)
class VersionSettings:
    """What a version remembers between visits: how to prepare, what to train with, what to preview."""

    preparation: Preparation = field(default_factory=Preparation)
    options: Mapping[str, Any] = field(default_factory=dict)
    """Typed values of engine options, by option name; what isn't here is the engine's default."""
    axes: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """Options that took several values in the grid planned last, first axis outermost."""
    rules: Rules = field(default_factory=Rules)
    """The rules of that grid."""
    engine: str = BUNDLED
    """The trainer of that grid, whose options these are."""
    previews: PreviewSettings = field(default_factory=PreviewSettings)
    trigger: Trigger = field(default_factory=Trigger)


@dataclass(frozen=True, kw_only=True)
class Trashed:
    """What was put away, a project, a version or checkpoints, and can be brought back by its token."""

    token: str
    what: str
    """For people: `project "cat"`, `version "v1" of "cat"`."""
    trashed: datetime
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class Contents:
    """How much is in a project, as its folders say."""

    project: str
    versions: int
    images: int
    """Training images of all versions, regularisation aside."""
    runs: int
    checkpoints: int
    changed: datetime
    """When something was last added to a version."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The project and version a page opens with; None where there is none."""

    project: str | None = None
    version: str | None = None
