"""From originals to a `<repeats>_<class>` folder of training images, exchanged for the previous one as a whole.

Captions live in origin. What a tag editor changed in `processed` since the last preparation is kept, unless the
original's own caption changed too.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from train_tools.datasets.captions import caption_beside, read_caption
from train_tools.datasets.exclusive import alone_with
from train_tools.datasets.folders import class_of, foldable_class, folder_name, repeats_of
from train_tools.datasets.origin import Progress, originals
from train_tools.datasets.pictures import NotAPictureError, formats_in_words, read_picture, without_warnings
from train_tools.datasets.steps import prepared
from train_tools.datasets.steps.background import colour_of
from train_tools.errors import DatasetNotUsableError
from train_tools.files import storage_error, write_json
from train_tools.model.dataset import Preparation, PreparationReport, Rejected
from train_tools.model.paths import VersionPaths

if TYPE_CHECKING:
    from PIL import Image


RECORD = ".prepared.json"
"""In a folder that was made here: the captions of the originals at that time."""
_BUILDING, _ASIDE = ".building", ".aside"
"""Endings of the hidden folders beside `processed` that hold the new images, and the old ones while they are
exchanged. As long as both are there, the new ones have not arrived."""


def prepare(
    version: VersionPaths,
    preparation: Preparation,
    class_name: str,
    progress: Progress = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> PreparationReport:
    """Makes `processed/<repeats>_<class>/NNNNN-k-<stem>.png` and `.txt` of all originals (S1-26).

    `class_name` counts where the settings name none: the project's. The folder replaces the one made before and
    any other of its class; folders of other classes stay. Equal originals and settings give equal bytes.
    Originals that can't be read are skipped and listed. Raises DatasetNotUsableError when there is nothing to
    prepare, StorageError when the disk is full, InUseError while the version's dataset is being changed by someone
    else; in all these cases, and when stopped, everything stays as it was.
    """
    class_name = foldable_class(preparation.class_name or class_name)
    colour_of(preparation)
    pictures = originals(version)
    if not pictures:
        raise DatasetNotUsableError(f"There are no pictures to prepare. Import some first: {formats_in_words()}.")
    with alone_with(version), _beside_processed(version) as building:
        replaced = _replaced(version, class_name)
        making = _Making(building, preparation, _Edits.of(replaced))
        for done, picture in enumerate(pictures, start=1):
            if should_stop():
                return making.report(version.processed, class_name, stopped=True)
            making.add(picture)
            progress(done, len(pictures))
        report = making.report(version.processed, class_name)
        if not report.originals:
            raise DatasetNotUsableError(_nothing_usable(report))
        making.leave_record()
        _exchange(replaced, building, report.folder)
    return report


@contextmanager
def _beside_processed(version: VersionPaths) -> Iterator[Path]:
    """An empty folder on the same disk as `processed`, gone afterwards if it was not moved away."""
    building = version.processed.with_name(f".{uuid.uuid4().hex}{_BUILDING}")
    try:
        building.parent.mkdir(parents=True, exist_ok=True)
        _mend(version)
        building.mkdir()
        yield building
    except OSError as error:
        raise storage_error(version.processed, error) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _mend(version: VersionPaths) -> None:
    """Undoes what a preparation that was killed left behind."""
    for aside in version.processed.parent.glob(f".*{_ASIDE}"):
        if aside.with_suffix(_BUILDING).exists():
            for old in aside.iterdir():
                old.rename(version.processed / old.name)
        shutil.rmtree(aside)
    for building in version.processed.parent.glob(f".*{_BUILDING}"):
        shutil.rmtree(building)


@dataclass
class _Making:
    """A folder of training images under construction."""

    folder: Path
    preparation: Preparation
    edits: _Edits
    captions: dict[str, str] = field(default_factory=dict)
    """The originals' own captions, by stem."""
    images: int = 0
    captioned: int = 0
    skipped: list[Rejected] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    def add(self, original: Path) -> None:
        """Makes an original's training images, or notes why not."""
        try:
            with without_warnings():
                pictures = prepared(read_picture(original), self.preparation)
        except NotAPictureError as error:
            self.skipped.append(Rejected(source=original.name, reason=str(error)))
            return
        number = len(self.captions)
        self.captions[original.stem] = own = self._caption_of(original)
        for variant, picture in enumerate(pictures):
            caption = self.edits.caption(original.stem, variant, own)
            if caption != own and original.name not in self.kept:
                self.kept.append(original.name)
            self._write(f"{number:05}-{variant}-{original.stem}", picture, caption)

    def report(self, processed: Path, class_name: str, *, stopped: bool = False) -> PreparationReport:
        count = len(self.captions)
        repeats = repeats_of(self.preparation.repeats, count) if count else 0
        return PreparationReport(
            folder=processed / folder_name(repeats, class_name),
            originals=count,
            images=self.images,
            captions=self.captioned,
            repeats=repeats,
            class_name=class_name,
            skipped=tuple(self.skipped),
            kept_captions=tuple(self.kept),
            stopped=stopped,
        )

    def leave_record(self) -> None:
        """Notes in the folder itself that it was made here, and from which captions."""
        write_json(self.folder / RECORD, {"format": 1, "captions": self.captions})

    def _caption_of(self, original: Path) -> str:
        """The original's own caption; one that can't be read is listed, and the image goes without."""
        try:
            return _caption_of(original)
        except DatasetNotUsableError as error:
            self.skipped.append(Rejected(source=original.with_suffix(".txt").name, reason=str(error)))
            return ""

    def _write(self, stem: str, picture: Image.Image, caption: str) -> None:
        (self.folder / f"{stem}.png").write_bytes(_png(picture))
        self.images += 1
        if caption:
            (self.folder / f"{stem}.txt").write_bytes(f"{caption}\n".encode())
            self.captioned += 1


def _png(picture: Image.Image) -> bytes:
    """The pixels and nothing else: no profile, no date, no EXIF."""
    picture.info.clear()
    content = io.BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


def _caption_of(picture: Path) -> str:
    path = caption_beside(picture)
    return read_caption(path) if path else ""


@dataclass(frozen=True)
class _Edits:
    """The captions now in the folders that are about to be replaced, and what they were made from."""

    written: Mapping[tuple[str, int], str]
    """By the original's stem and the variant; "" where the image has none."""
    made_from: Mapping[str, str] | None
    """The originals' captions at that time; None when it was not made here, but by S1 or by hand."""

    @classmethod
    def of(cls, folders: Sequence[Path]) -> _Edits:
        written: dict[tuple[str, int], str] = {}
        made_from = None
        for folder in folders:
            made_from = record_in(folder).get("captions", made_from)
            for image in sorted(folder.glob("*.png")):
                if match := re.fullmatch(r"[0-9]{5,}-([0-9]+)-(.+)", image.stem):
                    written[match[2], int(match[1])] = _caption_of(image)
        return cls(written, made_from)

    def caption(self, stem: str, variant: int, own: str) -> str:
        """What the variant's caption is to be, the original's being `own` now."""
        now = self.written.get((stem, variant), self.written.get((stem, 0)))
        if now is None:
            return own
        if self.made_from is None:
            return now or own
        before = self.made_from.get(stem, own)
        return now if own == before else own


def _exchange(replaced: Sequence[Path], building: Path, folder: Path) -> None:
    """Puts the new folder where the old ones were. These are deleted only after that."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = building.with_suffix(_ASIDE)
    aside.mkdir()
    moved: list[Path] = []
    try:
        for old in replaced:
            old.rename(aside / old.name)
            moved.append(old)
        building.rename(folder)
    except OSError:
        for old in moved:
            (aside / old.name).rename(old)
        aside.rmdir()
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _replaced(version: VersionPaths, class_name: str) -> tuple[Path, ...]:
    """The folders that a preparation for this class takes the place of."""
    folders = version.processed.iterdir() if version.processed.is_dir() else ()
    return tuple(
        folder
        for folder in sorted(folders)
        if folder.is_dir()
        and not folder.is_symlink()
        and (class_of(folder.name) == class_name or record_in(folder))
    )


def record_in(folder: Path) -> dict[str, Any]:
    """What the preparation that made a folder left in it; {} when it was not made here."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) and isinstance(record.get("captions"), dict) else {}


def _nothing_usable(report: PreparationReport) -> str:
    told = "; ".join(f"{skipped.source}: {skipped.reason}" for skipped in report.skipped[:3])
    return f"None of the {len(report.skipped)} originals can be used ({told}). Import others."
