"""Taking pictures into a version: each is looked at, copied whole with its caption, or listed with the reason."""

from __future__ import annotations

import contextlib
import re
import shutil
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sd_contract.datasets import IMAGE_SUFFIXES
from train_tools.datasets.captions import caption_beside, read_caption
from train_tools.datasets.encodings import canonical
from train_tools.datasets.exclusive import alone_with
from train_tools.datasets.fingerprints import Fingerprint, Fingerprints, likenesses_of, looks_of
from train_tools.datasets.folders import folder_name
from train_tools.datasets.origin import Progress, concepts, originals
from train_tools.datasets.pictures import (
    NotAPictureError,
    formats_in_words,
    frames_of,
    picture_suffixes,
    read_picture,
    refuse_without_opening,
)
from train_tools.errors import DatasetNotUsableError
from train_tools.files import copy_whole, link_or_copy, sha256_of, storage_error, write_text
from train_tools.imports.places import Place
from train_tools.imports.reports import keep_report
from train_tools.imports.sources import CaptionFiles, Found, Search
from train_tools.model.dataset import ImportReport, NearDuplicate, Rejected
from train_tools.model.paths import VersionPaths

if TYPE_CHECKING:
    from PIL import Image

LONGEST_STEM_BYTES = 120
"""Longer names would not leave room for what preparation adds to them."""
UNPACKING, TAKING = "unpacking", "importing"


def import_images(
    version: VersionPaths,
    sources: Sequence[Path],
    progress: Progress = lambda done, total: None,
    *,
    phase: Callable[[str], None] = lambda name: None,
    should_stop: Callable[[], bool] = lambda: False,
    class_name: str = "",
    encoding: str | None = None,
    sent_to: Path | None = None,
    not_sent: Sequence[Rejected] = (),
) -> ImportReport:
    """Copies pictures, and the captions that belong to them, from files, folders (and theirs) and zip files into
    origin; those of folders `<repeats>_<class>` into such folders, those for regularisation into `reg`.

    Pictures that are there already are left alone, whatever they are called; another picture of a taken name
    gets a number. What can't be used is listed, the others go on. `class_name` = what pictures show that lie in no
    folder of a class; `encoding` = that of captions which are no Unicode, and which become UTF-8. `sent_to` is
    the folder that holds the sources where a page sent them, `not_sent` what it kept back: the report calls both
    as the page did. Stopped or killed, the same import goes on where it was.

    Raises DatasetNotUsableError when nothing can be used; StorageError when the disk is full: what was copied till
    then stays, and is whole; InUseError while the version's dataset is being changed by someone else.
    """
    began = time.time()
    encoding = canonical(encoding) if encoding else None
    with alone_with(version), _staging(version):
        phase(UNPACKING)
        unpacked = {sent_to: Path()} if sent_to else {}
        found = Found(rejected=[*not_sent], unpacked=unpacked)
        Search(version, progress, should_stop, found).among(sources)
        phase(TAKING)
        taking = _Import(version, found, class_name, encoding)
        stopped = should_stop()
        for done, (picture, place) in enumerate(found.pictures.items(), start=1):
            if stopped := should_stop():
                break
            taking.take(picture, place)
            progress(done, len(found.pictures))
        told = [found.words(source) for source in sources]
        report = keep_report(version, replace(taking.report(), stopped=stopped), told, began)
    if not (report.images or report.already_there or stopped):
        raise DatasetNotUsableError(_nothing_found(sources, report))
    return report


@contextmanager
def _staging(version: VersionPaths) -> Iterator[None]:
    """Where archives are unpacked; what one that was killed left there is used again, and gone at the end."""
    try:
        version.origin.mkdir(parents=True, exist_ok=True)
        for folder in (version.origin, version.regularisation):
            for torn in folder.rglob(".*.tmp") if folder.is_dir() else ():
                if re.fullmatch(r"\.[0-9a-f]{32}\.tmp", torn.name):
                    torn.unlink()
    except OSError as error:
        raise storage_error(version.origin, error) from error
    try:
        yield
    finally:
        shutil.rmtree(version.staging, ignore_errors=True)


class _Import:
    """One import under way."""

    def __init__(self, version: VersionPaths, found: Found, class_name: str, encoding: str | None) -> None:
        self._encoding = encoding
        self._version = version
        self._found = found
        self._caption_files = CaptionFiles(found)
        self._class = _class_regularised(version, found, class_name)
        self._captions = 0
        self._taken: Counter[Place] = Counter()
        self._renamed: list[tuple[str, str]] = []
        self._already_there: list[str] = []
        self._near: list[NearDuplicate] = []
        self._remarks: list[Rejected] = []
        self._used_captions: set[Path] = set()
        self._folders: dict[Path, _Folder] = {}
        self._prints = Fingerprints(version)
        self._alike = likenesses_of(iter(originals(version)), self._prints, version.origin)

    def take(self, picture: Path, place: Place) -> None:
        """Copies one picture with its caption, or lists why not."""
        try:
            place = self._settled(picture, place)
            refuse_without_opening(picture)
            folder = self._folder(place)
            sha256 = _sha256_of(picture)
            there = folder.holding(sha256)
            if there is None:
                there = self._take_in(picture, place, folder, sha256)
            else:
                self._already_there.append(self._found.words(picture))
        except NotAPictureError as error:
            self._found.reject(picture, str(error))
        except OSError as error:
            self._found.reject(picture, f"it can't be read: {error.strerror or error}")
        else:
            self._take_caption(picture, there)

    def report(self) -> ImportReport:
        for caption in self._found.captions:
            if caption.resolve() not in self._used_captions:
                self._found.reject(caption, "no picture of its name could be used, or one has another caption")
        return ImportReport(
            images=self._taken.total(),
            captions=self._captions,
            rejected=tuple(self._found.rejected),
            renamed=tuple(self._renamed),
            already_there=tuple(self._already_there),
            near_duplicates=tuple(self._near),
            remarks=tuple(self._remarks),
            folders=tuple((place.words, count) for place, count in self._taken.items() if place.folder),
        )

    def _settled(self, picture: Path, place: Place) -> Place:
        """The place, with a class where a picture for regularisation had none. Raises NotAPictureError."""
        if not place.regularises:
            return place
        if not place.folder and not self._class:
            raise NotAPictureError("it is for regularisation, of no class: put it into a folder such as reg/1_cat")
        if picture.suffix.lower() not in IMAGE_SUFFIXES:
            raise NotAPictureError("it is for regularisation, which is trained on as it is: save it as png or jpg")
        return place if place.folder else replace(place, folder=folder_name(1, self._class))

    def _take_in(self, picture: Path, place: Place, folder: _Folder, sha256: str) -> Path:
        """Copies a picture that is not there yet. Raises NotAPictureError when it is none."""
        looks = self._prints.looks_like(sha256)
        if looks is None:
            looks = self._looked_at(picture)
        target = folder.place_for(picture)
        self._copy(picture, target)
        folder.note(target, sha256)
        self._prints.note(target, Fingerprint(sha256, looks))
        self._taken[place] += 1
        if target.name != picture.name:
            self._renamed.append((self._found.words(picture), target.name))
        if not place.regularises:
            self._compare(picture, target, looks)
        return target

    def _looked_at(self, picture: Path) -> int:
        read = read_picture(picture)
        remark = _remark_on(read)
        if remark:
            self._remarks.append(Rejected(source=self._found.words(picture), reason=remark))
        return looks_of(read)

    def _compare(self, picture: Path, target: Path, looks: int) -> None:
        nearest = self._alike.nearest(looks)
        if nearest is not None:
            name, distance = nearest
            self._near.append(NearDuplicate(source=self._found.words(picture), like=name, distance=distance))
        self._alike.add(target.relative_to(self._version.origin).as_posix(), looks)

    def _copy(self, source: Path, target: Path) -> None:
        """What was unpacked for this is ours: it needs no second place on the disk."""
        put = link_or_copy if self._found.is_unpacked(source) else copy_whole
        put(source, target)

    def _take_caption(self, picture: Path, there: Path) -> None:
        source = self._caption_files.of(picture)
        if source is not None:
            self._used_captions.add(source.resolve())
            read = partial(read_caption, source, self._encoding)
            self._put_caption(source, there, read, self._caption_writer(source))
        elif picture in self._found.written:
            text, where = self._found.written[picture]
            self._put_caption(where, there, lambda: text, lambda target: write_text(target, f"{text}\n"))

    def _caption_writer(self, source: Path) -> Callable[[Path], None]:
        """Copies a caption as it is; one that is no Unicode is written as such."""
        try:
            read_caption(source)
        except DatasetNotUsableError:
            encoding = self._encoding
            return lambda target: write_text(target, f"{read_caption(source, encoding)}\n")
        return partial(self._copy, source)

    def _put_caption(
        self, source: Path, there: Path, read: Callable[[], str], write: Callable[[Path], None]
    ) -> None:
        own = caption_beside(there)
        try:
            text = read()
            if own is None:
                write(there.with_suffix(".txt"))
                self._captions += 1
            elif read_caption(own) != text:
                self._found.reject(source, f"the picture is there already with another caption, in {own.name}")
        except DatasetNotUsableError as error:
            self._found.reject(source, str(error))

    def _folder(self, place: Place) -> _Folder:
        path = place.path(self._version)
        if path not in self._folders:
            self._folders[path] = _Folder(path, self._prints)
        return self._folders[path]


class _Folder:
    """One folder of originals: which contents and names it has."""

    def __init__(self, path: Path, prints: Fingerprints) -> None:
        self._path = path
        self._stems: set[str] = set()
        self._by_content: dict[str, Path] = {}
        try:
            path.mkdir(parents=True, exist_ok=True)
            files = [entry for entry in path.iterdir() if entry.is_file() and not entry.name.startswith(".")]
        except OSError as error:
            raise storage_error(path, error) from error
        for file in files:
            self._stems.add(file.stem.casefold())
            with contextlib.suppress(NotAPictureError):
                if file.suffix.lower() in picture_suffixes():
                    self._by_content[prints.of(file).sha256] = file

    def holding(self, sha256: str) -> Path | None:
        """The picture that is this one, byte for byte."""
        return self._by_content.get(sha256)

    def place_for(self, picture: Path) -> Path:
        """The picture's own name, or one with a number: two originals never share a stem, nor a caption."""
        stem = _storable(picture.stem)
        candidate, number = stem, 1
        while candidate.casefold() in self._stems:
            number += 1
            candidate = f"{stem}-{number}"
        return self._path / f"{candidate}{picture.suffix}"

    def note(self, picture: Path, sha256: str) -> None:
        self._stems.add(picture.stem.casefold())
        self._by_content[sha256] = picture


def _class_regularised(version: VersionPaths, found: Found, class_name: str) -> str:
    """The class of pictures for regularisation that name none: the only one there is, else ""."""
    places = [place for place in found.pictures.values() if not place.regularises]
    classes = {place.class_name or class_name for place in places}
    classes |= {concept.class_name or class_name for concept in concepts(version)}
    return classes.pop() if len(classes) == 1 else ""


def _sha256_of(picture: Path) -> str:
    try:
        return sha256_of(picture)
    except PermissionError as error:
        raise NotAPictureError("it can't be read: check its permissions") from error
    except OSError as error:
        raise NotAPictureError(f"it can't be read: {error.strerror or error}") from error


def _remark_on(picture: Image.Image) -> str:
    frames = frames_of(picture)
    return f"only the first of its frames counts: there are {frames}" if frames > 1 else ""


def _storable(stem: str) -> str:
    """The stem without what can't be written as text, and short enough."""
    stem = unicodedata.normalize("NFC", stem)
    shown = "".join("_" if unicodedata.category(letter) in ("Cc", "Cs") else letter for letter in stem)
    return shown.encode("utf-8")[:LONGEST_STEM_BYTES].decode("utf-8", "ignore")


def _nothing_found(sources: Sequence[Path], report: ImportReport) -> str:
    allowed = f"Allowed are {formats_in_words()} files, and folders and zip files that hold some."
    if not sources:
        return f"Nothing was chosen to import. {allowed}"
    reasons = [f"{Path(rejected.source).name}: {rejected.reason}" for rejected in report.rejected]
    told = "; ".join(reasons[:3]) + ("; ..." if len(reasons) > 3 else "")
    return f"No picture could be taken in{f' ({told})' if told else ': the folder is empty'}. {allowed}"
