"""What lies at the files and folders a user chose: pictures to take in, and why the rest is not taken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from train_tools.datasets.captions import SUFFIXES as CAPTION_SUFFIXES
from train_tools.datasets.captions import caption_beside
from train_tools.datasets.pictures import picture_suffixes
from train_tools.model.dataset import Rejected
from train_tools.model.paths import VersionPaths

_ARCHIVES = {".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz"}


@dataclass
class Found:
    """Pictures by their names, not yet opened; caption files that may belong to them; what is neither."""

    pictures: list[Path] = field(default_factory=list)
    captions: list[Path] = field(default_factory=list)
    chosen: set[Path] = field(default_factory=set)
    """Those of both that were chosen themselves, not with their folder."""
    rejected: list[Rejected] = field(default_factory=list)

    def reject(self, source: Path, reason: str) -> None:
        self.rejected.append(Rejected(source=in_words(source), reason=reason))


def find(sources: Sequence[Path], version: VersionPaths) -> Found:
    """All files among the sources and below them, each once. What the version itself produced is left out."""
    found, seen = Found(), set[Path]()
    for source in sources:
        for path in _files(source, version, found):
            if path.resolve() not in seen:
                seen.add(path.resolve())
                _sort_in(path, found)
    return found


def caption_for(picture: Path, found: Found) -> Path | None:
    """The caption beside the picture, or one of the same stem that was chosen together with it.

    Uploads lie in folders of their own, so that a picture and its caption are not neighbours.
    """
    beside = caption_beside(picture)
    if beside or picture not in found.chosen:
        return beside
    same_stem = [path for path in found.captions if path in found.chosen and path.stem == picture.stem]
    return min(same_stem, key=lambda path: CAPTION_SUFFIXES.index(path.suffix.lower()), default=None)


def _files(source: Path, version: VersionPaths, found: Found) -> Iterator[Path]:
    try:
        is_folder, exists = source.is_dir(), source.exists()
    except OSError as error:
        found.reject(source, f"it can't be read: {error.strerror or error}")
        return
    if is_folder:
        yield from _walk(source, version, found)
    elif exists:
        found.chosen.add(source)
        yield source
    else:
        found.reject(source, "it does not exist")


def _walk(folder: Path, version: VersionPaths, found: Found) -> Iterator[Path]:
    if _is_made_by_us(folder, version):
        found.reject(folder, "it holds what was made from this version's originals")
        return
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        found.reject(folder, f"the folder can't be read: {error.strerror or error}")
        return
    for entry in entries:
        if entry.name.startswith("."):
            found.reject(entry, "it is hidden: its name begins with a dot")
        elif entry.is_dir() and entry.is_symlink():
            found.reject(entry, "it is a link to a folder: choose that folder itself")
        elif entry.is_dir():
            yield from _walk(entry, version, found)
        else:
            yield entry


def _is_made_by_us(folder: Path, version: VersionPaths) -> bool:
    folder, own, origin = folder.resolve(), version.folder.resolve(), version.origin.resolve()
    leads_to_origin = origin.is_relative_to(folder) or folder.is_relative_to(origin)
    return folder.is_relative_to(own) and not leads_to_origin


def _sort_in(path: Path, found: Found) -> None:
    suffix = path.suffix.lower()
    if suffix in picture_suffixes():
        found.pictures.append(path)
    elif suffix in CAPTION_SUFFIXES:
        found.captions.append(path)
    elif suffix in _ARCHIVES:
        found.reject(path, "it is an archive: unpack it and choose the folder")
    else:
        found.reject(path, f"its format is not one of {formats_in_words()}")


def in_words(path: Path) -> str:
    """The path as text that can be shown, whatever bytes its name is made of."""
    return str(path).encode("utf-8", "replace").decode("utf-8")


def formats_in_words() -> str:
    return ", ".join(suffix.removeprefix(".") for suffix in picture_suffixes())
