"""A version's originals: copied in from where the user keeps them, never changed afterwards, never trained on."""

from __future__ import annotations

import filecmp
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from train_tools.datasets.captions import caption_beside, read_caption
from train_tools.datasets.exclusive import alone_with
from train_tools.datasets.folders import parsed
from train_tools.datasets.pictures import NotAPictureError, picture_suffixes, read_picture
from train_tools.datasets.sources import Found, caption_for, find, formats_in_words, in_words
from train_tools.errors import DatasetNotUsableError
from train_tools.files import copy_whole, storage_error
from train_tools.model.dataset import Concept, ImportReport
from train_tools.model.paths import VersionPaths

Progress = Callable[[int, int], None]
"""Called with (done, total)."""
LONGEST_STEM_BYTES = 120
"""Longer names would not leave room for what preparation adds to them."""


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


def import_images(
    version: VersionPaths, sources: Sequence[Path], progress: Progress = lambda done, total: None
) -> ImportReport:
    """Copies pictures, and the captions that belong to them, from files and folders (and theirs) into origin.

    Pictures that are there already are left alone, whatever they are called; another picture of a taken name
    gets a number. What can't be used is listed, the others go on. Raises DatasetNotUsableError when nothing can
    be; StorageError when the disk is full: what was copied till then stays, and is whole; InUseError while the
    version's dataset is being changed by someone else.
    """
    found = find(sources, version)
    with alone_with(version):
        taking = _Import(version, found)
        for done, picture in enumerate(found.pictures, start=1):
            taking.take(picture)
            progress(done, len(found.pictures))
    report = taking.report()
    if not report.images and not report.already_there:
        raise DatasetNotUsableError(_nothing_found(sources, report))
    return report


class _Import:
    """One import under way."""

    def __init__(self, version: VersionPaths, found: Found) -> None:
        self._origin = version.origin
        self._found = found
        self._images = 0
        self._captions = 0
        self._renamed: list[tuple[str, str]] = []
        self._already_there: list[str] = []
        self._used_captions: set[Path] = set()
        self._stems: set[str] = set()
        self._by_size: dict[int, list[Path]] = defaultdict(list)
        try:
            self._origin.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(self._origin, error) from error
        for path in self._origin.iterdir():
            if path.is_file():
                self._note(path)

    def take(self, picture: Path) -> None:
        """Copies one picture with its caption, or lists why not."""
        try:
            read_picture(picture)
        except NotAPictureError as error:
            self._found.reject(picture, str(error))
            return
        there = self._same_as(picture)
        if there is None:
            there = self._copy(picture)
        else:
            self._already_there.append(in_words(picture))
        self._take_caption(picture, there)

    def report(self) -> ImportReport:
        for caption in self._found.captions:
            if caption.resolve() not in self._used_captions:
                self._found.reject(caption, "no picture of its name could be used, or one has another caption")
        return ImportReport(
            images=self._images,
            captions=self._captions,
            rejected=tuple(self._found.rejected),
            renamed=tuple(self._renamed),
            already_there=tuple(self._already_there),
        )

    def _copy(self, picture: Path) -> Path:
        target = self._place_for(picture)
        copy_whole(picture, target)
        self._note(target)
        self._images += 1
        if target.name != picture.name:
            self._renamed.append((in_words(picture), target.name))
        return target

    def _take_caption(self, picture: Path, there: Path) -> None:
        source, own = caption_for(picture, self._found), caption_beside(there)
        if source is None:
            return
        self._used_captions.add(source.resolve())
        try:
            text = read_caption(source)
            if own is None:
                copy_whole(source, there.with_suffix(".txt"))
                self._captions += 1
            elif read_caption(own) != text:
                self._found.reject(source, f"the picture is there already with another caption, in {own.name}")
        except DatasetNotUsableError as error:
            self._found.reject(source, str(error))

    def _same_as(self, picture: Path) -> Path | None:
        """The original that is this picture, byte for byte."""
        for there in self._by_size.get(picture.stat().st_size, ()):
            if filecmp.cmp(there, picture, shallow=False):
                return there
        return None

    def _place_for(self, picture: Path) -> Path:
        """The picture's own name, or one with a number: two originals never share a stem, nor a caption."""
        stem = _storable(picture.stem)
        candidate, number = stem, 1
        while candidate.casefold() in self._stems:
            number += 1
            candidate = f"{stem}-{number}"
        return self._origin / f"{candidate}{picture.suffix}"

    def _note(self, path: Path) -> None:
        self._stems.add(path.stem.casefold())
        if path.suffix.lower() in picture_suffixes():
            self._by_size[path.stat().st_size].append(path)


def _storable(stem: str) -> str:
    """The stem without what can't be written as text, and short enough."""
    stem = unicodedata.normalize("NFC", stem)
    shown = "".join("_" if unicodedata.category(letter) in ("Cc", "Cs") else letter for letter in stem)
    return shown.encode("utf-8")[:LONGEST_STEM_BYTES].decode("utf-8", "ignore")


def _nothing_found(sources: Sequence[Path], report: ImportReport) -> str:
    allowed = f"Allowed are {formats_in_words()} files, and folders that hold some."
    if not sources:
        return f"Nothing was chosen to import. {allowed}"
    reasons = [f"{Path(rejected.source).name}: {rejected.reason}" for rejected in report.rejected]
    told = "; ".join(reasons[:3]) + ("; ..." if len(reasons) > 3 else "")
    return f"No picture could be taken in{f' ({told})' if told else ': the folder is empty'}. {allowed}"
