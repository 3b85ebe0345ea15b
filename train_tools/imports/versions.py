"""Versions and projects, ours and those of S1 (sd-webui-train-tools), as something to import from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from train_tools.datasets.captions import caption_beside, read_caption
from train_tools.datasets.folders import parsed
from train_tools.datasets.pictures import picture_suffixes
from train_tools.errors import DatasetNotUsableError
from train_tools.imports.places import Place
from train_tools.model.paths import ProjectPaths, VersionPaths

NO_PART = "it is no part of the dataset"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What of a version or project is imported, and why the rest is not."""

    version: VersionPaths | None = None
    folders: tuple[tuple[Path, Place], ...] = ()
    left_out: tuple[tuple[Path, str], ...] = ()

    @property
    def originals(self) -> Path | None:
        return self.version.origin if self.version else None


def layout_of(folder: Path) -> Layout | None:
    """How a folder is imported that is a version, or a project with one; None when it is neither."""
    for version in (folder, folder.parent):
        if _is_version(version) and folder in (version, VersionPaths(version).origin.parent):
            return _of_version(VersionPaths(version))
    within = ProjectPaths(folder).versions
    versions = sorted(each for each in _folders_in(within) if _is_version(each))
    if len(versions) == 1:
        return _of_version(VersionPaths(versions[0]))
    if versions:
        names = ", ".join(each.name for each in versions)
        return Layout(left_out=((folder, f"it is a project of {len(versions)} versions: choose one of {names}"),))
    return None


def captions_prepared(layout: Layout, originals: Iterable[Path]) -> dict[Path, tuple[str, Path]]:
    """Captions that lie beside the training images only, as S1 and tag editors leave them, for these originals:
    the text and the file. The first variant of each counts."""
    if layout.version is None:
        return {}
    written: dict[str, Path] = {}
    for folder in _folders_in(layout.version.processed):
        for file in sorted(folder.glob("*.txt")):
            match = re.fullmatch(r"[0-9]{5,}-([0-9]+)-(.+)", file.stem)
            if match:
                written.setdefault(match[2], file)
    beside = {each: written[each.stem] for each in originals if each.stem in written and not caption_beside(each)}
    return {original: (text, file) for original, file in beside.items() if (text := _text(file))}


def _of_version(version: VersionPaths) -> Layout:
    dataset = version.origin.parent
    has_originals = any(_pictures_below(version.origin))
    trained = version.origin if has_originals else version.processed
    taken = {trained, version.regularisation}
    made = "it holds what was made from the originals, which are imported instead"
    left_out = [
        (entry, made if entry == version.processed else NO_PART)
        for folder in (version.folder, dataset)
        for entry in _folders_in(folder)
        if entry not in taken and entry != dataset and not entry.name.startswith(".")
    ]
    return Layout(
        version=version,
        folders=tuple((folder, place) for folder, place in _places(version, trained) if is_folder(folder)),
        left_out=tuple(left_out),
    )


def _places(version: VersionPaths, trained: Path) -> Iterator[tuple[Path, Place]]:
    yield trained, Place()
    yield version.regularisation, Place(regularises=True)


def _is_version(folder: Path) -> bool:
    version = VersionPaths(folder)
    return any(is_folder(each) for each in (version.origin, version.processed))


def is_folder(path: Path) -> bool:
    """Not where one may not even look."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _pictures_below(folder: Path) -> Iterator[Path]:
    suffixes = picture_suffixes()
    for entry in (folder, *(each for each in _folders_in(folder) if parsed(each.name))):
        yield from (file for file in _entries_in(entry) if file.suffix.lower() in suffixes)


def _folders_in(folder: Path) -> tuple[Path, ...]:
    return tuple(entry for entry in _entries_in(folder) if is_folder(entry) and not entry.is_symlink())


def _entries_in(folder: Path) -> tuple[Path, ...]:
    try:
        return tuple(sorted(folder.iterdir()))
    except OSError:
        return ()


def _text(file: Path) -> str:
    try:
        return read_caption(file)
    except DatasetNotUsableError:
        return ""
