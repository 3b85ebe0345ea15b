"""A project and its versions: folders the user may copy to another machine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from train_tools.model.paths import ProjectPaths, VersionPaths


@dataclass(frozen=True, kw_only=True)
class Project:
    """A subject to train. Its name is the LoRA's name."""

    name: str
    created: datetime
    paths: ProjectPaths
    notes: str = ""
    versions: tuple[str, ...] = ()
    """Names, newest first."""


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
