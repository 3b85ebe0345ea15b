"""Where in a version's dataset a picture belongs, by the names of the folders it lies in: kohya's
`<repeats>_<class>`, and those for regularisation (S0-21, S3-11, S4-07)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from train_tools.datasets.folders import foldable_class, folder_name, parsed
from train_tools.errors import DatasetNotUsableError
from train_tools.model.paths import VersionPaths

REGULARISATION = frozenset(
    {
        "reg",
        "reg_images",
        "regularization",
        "regularisation",
        "regularization_images",
        "regularisation_images",
    }
)
MOST_REPEATS = 1000
"""A folder `2023_holidays` was named after a year."""


@dataclass(frozen=True)
class Place:
    """`origin` or `reg`, and the folder in it; no folder = directly in it."""

    folder: str = ""
    regularises: bool = False

    def below(self, name: str) -> Place:
        """The place of what lies in a folder of that name, in a folder of this place: the nearest folder that says
        repeats and class counts."""
        if name.casefold() in REGULARISATION:
            return Place(regularises=True)
        concept = _concept(name)
        return replace(self, folder=concept) if concept else self

    def path(self, version: VersionPaths) -> Path:
        return (version.regularisation if self.regularises else version.origin) / self.folder

    @property
    def class_name(self) -> str:
        name = parsed(self.folder)
        return name[1] if name else ""

    @property
    def words(self) -> str:
        return f"reg/{self.folder}" if self.regularises else self.folder


def place_of(source: Path) -> Place:
    """The place of what lies in a folder that was chosen. Its own name counts, and that of its parent where that
    is one for regularisation."""
    source = source.absolute()
    above = Place().below(source.parent.name) if source.parent.name.casefold() in REGULARISATION else Place()
    return above.below(source.name)


def _concept(name: str) -> str:
    """The folder's name as we write it; "" when it says no repeats and class."""
    found = parsed(name)
    if found is None or found[0] > MOST_REPEATS:
        return ""
    try:
        return folder_name(found[0], foldable_class(found[1]))
    except DatasetNotUsableError:
        return ""
