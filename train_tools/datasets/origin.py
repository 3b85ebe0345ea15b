"""A version's originals: copied in from where the user keeps them, never changed afterwards, never trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from train_tools.datasets.folders import parsed
from train_tools.datasets.pictures import picture_suffixes
from train_tools.model.dataset import Concept
from train_tools.model.paths import VersionPaths

Progress = Callable[[int, int], None]
"""Called with (done, total)."""


def concepts(version: VersionPaths) -> tuple[Concept, ...]:
    """The pictures in origin by what they show: those that lie in it directly, then the folders
    `<repeats>_<class>` in it by name. Groups without pictures are left out (S3-11, S4-07)."""
    if not version.origin.is_dir():
        return ()
    loose = Concept(folder=version.origin, pictures=_pictures_in(version.origin))
    return tuple(concept for concept in (loose, *_concept_folders(version.origin)) if concept.pictures)


def originals(version: VersionPaths) -> tuple[Path, ...]:
    """All pictures in origin, in the order in which they are prepared: by concept, then by name, case aside."""
    return tuple(picture for concept in concepts(version) for picture in concept.pictures)


def _concept_folders(origin: Path) -> Iterator[Concept]:
    for folder in sorted(origin.iterdir()):
        name = parsed(folder.name)
        if name is not None and folder.is_dir() and not folder.is_symlink():
            yield Concept(folder=folder, repeats=name[0], class_name=name[1], pictures=_pictures_in(folder))


def _pictures_in(folder: Path) -> tuple[Path, ...]:
    suffixes = picture_suffixes()
    pictures = [
        path
        for path in folder.iterdir()
        if path.suffix.lower() in suffixes and not path.name.startswith(".") and path.is_file()
    ]
    return tuple(sorted(pictures, key=lambda path: (path.name.casefold(), path.name)))
