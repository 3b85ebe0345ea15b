"""What a version trains on: originals by concept, what an import brought, the images and captions that count."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Concept:
    """Originals that show the same: those directly in origin, or those of one folder `<repeats>_<class>` in it."""

    folder: Path
    pictures: tuple[Path, ...]
    repeats: int | None = None
    """None = as the version's settings say."""
    class_name: str | None = None
    """None = the version's own."""


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """A source that was not imported, and why, in words."""

    source: str
    reason: str

    @property
    def gist(self) -> str:
        """The reason without its details: what many have in common."""
        return re.split(r" \(|: ", self.reason, maxsplit=1)[0]


@dataclass(frozen=True, kw_only=True)
class NearDuplicate:
    """A picture that looks like an original that was there before it."""

    source: str
    like: str
    """The original's name below origin."""
    distance: int
    """Of 128 comparisons of neighbouring areas, how many come out differently; 0 = the same picture."""


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """What an import did. Nothing is dropped without being listed."""

    images: int
    captions: int
    rejected: tuple[Rejected, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    """(source, name in origin) where the name was taken, or is not one that every step can write."""
    already_there: tuple[str, ...] = ()
    """Sources whose picture lies there already, under whatever name."""
    near_duplicates: tuple[NearDuplicate, ...] = ()
    """Pictures that were taken, though one that looks like them is there."""
    remarks: tuple[Rejected, ...] = ()
    """Pictures that were taken, and what of them does not count: all but the first frame, say."""
    folders: tuple[tuple[str, int], ...] = ()
    """(`<repeats>_<class>`, new pictures) of the concepts that were recognised; `reg/` before it where they
    regularise."""
    stopped: bool = False
    """Somebody asked it to stop: what was taken till then is in, and the same import goes on from there."""
    file: Path | None = None
    """Where this report is kept."""


@dataclass(frozen=True, kw_only=True)
class Upload:
    """Files that a page sends for a version; they wait in a folder of their own until they are imported."""

    id: str
    project: str
    version: str
    left_out: tuple[Rejected, ...] = ()
    """What need not be sent, because no import would take it."""


@dataclass(frozen=True, kw_only=True)
class MaskReport:
    """Which training images have a mask, and what is wrong with others."""

    images: int
    masked: int
    written: int = 0
    problems: tuple[Rejected, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TrainingImage:
    """One file of `processed` with its caption ("" = none)."""

    path: Path
    caption: str


class CaptionPolicy(StrEnum):
    """What a run makes of the captions that are written."""

    AS_WRITTEN = "as_written"
    CLASS_ONLY = "class_only"
    CLASS_FIRST = "class_first"


@dataclass(frozen=True, kw_only=True)
class DatasetFolder:
    """One `<repeats>_<class>` folder."""

    path: Path
    repeats: int
    class_name: str
    images: tuple[TrainingImage, ...] = field(default=())
    captions: CaptionPolicy = CaptionPolicy.AS_WRITTEN
    masks: Path | None = None
    """Where a run that weighs the loss finds a mask for each image, by its stem."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """What a run would train on now. `content` is a sha256 over images, captions, repeats and classes."""

    folders: tuple[DatasetFolder, ...]
    regularisation: tuple[DatasetFolder, ...]
    content: str
    problems: tuple[Rejected, ...] = ()
    """Files and folders that lie there but will not be trained on, and why."""
    pair: tuple[Path, ...] = ()
    """Original and target, where a run names the files of one pair; it takes nothing else then."""

    @property
    def image_count(self) -> int:
        return sum(len(folder.images) for folder in self.folders)

    @property
    def images_per_epoch(self) -> int:
        return sum(len(folder.images) * folder.repeats for folder in self.folders)
