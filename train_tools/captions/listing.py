"""The training images with captions and sizes, quickly: only the first bytes of an image are read, and what has
not changed on the disk is not read again."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sd_contract.errors import DatasetError
from sd_contract.images.image_files import IMAGE_SUFFIXES
from sd_contract.images.image_sizes import image_size
from train_tools.datasets.captions import caption_bytes, caption_text
from train_tools.datasets.folders import class_of
from train_tools.errors import DatasetNotUsableError, StorageError
from train_tools.model.captions import NO_FILE, CaptionedImage, Order
from train_tools.model.paths import VersionPaths

VERSIONS_KEPT = 8
SETTLED_NS = 2_000_000_000
"""A file changed less than this ago may change again without its time telling: some disks count in two seconds."""

UNREADABLE = "unreadable"
"""The edition of a caption file that can't be opened."""

Stamp = tuple[int, int, int]
"""Inode, bytes, time of the last change: the same while a file is."""


@dataclass(frozen=True, slots=True)
class _Known:
    """An image as it was read, and of which files."""

    picture: Stamp
    text: Stamp | None
    settled: bool
    image: CaptionedImage


class Listing:
    """Lists versions, and remembers some of them. Nothing is written."""

    def __init__(self) -> None:
        self._versions: OrderedDict[Path, Mapping[str, _Known]] = OrderedDict()
        self._reading = threading.Lock()

    def images(self, version: VersionPaths) -> tuple[CaptionedImage, ...]:
        """All training images, folder by folder, in the order in which they are trained. Raises StorageError."""
        with self._reading:
            known = self._versions.pop(version.folder, {})
            try:
                found = {each.image.image: each for each in _listed(version.processed, known)}
            except OSError as error:
                raise StorageError(
                    f"The captions in {version.folder} can't be read: {error.strerror or error} "
                    f"({error.filename}). "
                    "If another program is changing them now, try again."
                ) from error
            self._versions[version.folder] = found
            if len(self._versions) > VERSIONS_KEPT:
                self._versions.popitem(last=False)
            return tuple(each.image for each in found.values())


def ordered(images: Sequence[CaptionedImage], order: Order, backwards: bool = False) -> Sequence[CaptionedImage]:
    """The images in that order; those that are alike in it stay as they are."""
    return sorted(images, key=_KEYS[order], reverse=backwards)


_KEYS: Mapping[Order, Callable[[CaptionedImage], Any]] = {
    Order.FOLDER: lambda image: image.image,
    Order.NAME: lambda image: image.name.casefold(),
    Order.CAPTION: lambda image: image.effective.casefold(),
    Order.LENGTH: lambda image: len(image.caption or ""),
    Order.PIXELS: lambda image: image.size[0] * image.size[1] if image.size else 0,
    Order.SHAPE: lambda image: image.size[0] / image.size[1] if image.size else 0.0,
}


def one_image(version: VersionPaths, image: str) -> CaptionedImage | None:
    """One image as it is now; None when there is no such training image."""
    folder, _, name = image.rpartition("/")
    path = version.processed / folder
    if class_of(folder) is None or {"/", "\\"} & set(folder) or path.is_symlink() or not path.is_dir():
        return None
    with os.scandir(path) as entries:  # as it is spelt on the disk, and nowhere else
        found = any(entry.name == name and _may_count(entry) for entry in entries)
    return _read(str(path), folder, name) if found and _is_image(name) else None


def caption_file(version: VersionPaths, image: str) -> Path:
    """The caption file that a training reads for an image."""
    return (version.processed / image).with_suffix(".txt")


def edition_of(raw: bytes | None) -> str:
    return NO_FILE if raw is None else hashlib.sha256(raw).hexdigest()[:16]


def _listed(processed: Path, known: Mapping[str, _Known]) -> Iterator[_Known]:
    with os.scandir(processed) if processed.is_dir() else nullcontext(()) as entries:
        folders = sorted(entries, key=lambda entry: entry.name)
    for folder in folders:
        if not folder.name.startswith(".") and folder.is_dir(follow_symlinks=False) and class_of(folder.name):
            yield from _in_folder(folder, known)


def _in_folder(folder: os.DirEntry[str], known: Mapping[str, _Known]) -> Iterator[_Known]:
    with os.scandir(folder.path) as entries:
        stamps = {entry.name: _stamp(entry) for entry in entries if _may_count(entry)}
    for name in sorted(filter(_is_image, stamps)):
        before = known.get(f"{folder.name}/{name}")
        picture, text = stamps[name], stamps.get(_caption_name(name))
        if before and before.settled and before.picture == picture and before.text == text:
            yield before
        else:
            seen = before.image if before and before.picture == picture else None
            settled = text is None or time.time_ns() - text[2] > SETTLED_NS
            yield _Known(picture, text, settled, _read(folder.path, folder.name, name, seen))


def _read(path: str, folder: str, name: str, seen: CaptionedImage | None = None) -> CaptionedImage:
    """The image as it is now; `seen` is what is known of it while only its caption may have changed."""
    size, unreadable = (seen.size, "") if seen and seen.size else _size(Path(path, name))
    edition, caption, illegible = _caption(Path(path, _caption_name(name)))
    return CaptionedImage(
        image=f"{folder}/{name}",
        class_name=class_of(folder) or "",
        caption=caption,
        edition=edition,
        size=size,
        problem=" ".join(filter(None, (unreadable, illegible))),
    )


def _size(path: Path) -> tuple[tuple[int, int] | None, str]:
    try:
        return image_size(path), ""
    except DatasetError as error:
        return None, f"The {error}"


def _caption(path: Path) -> tuple[str, str | None, str]:
    """A caption file's edition, its text, and what keeps it from being read."""
    edition = UNREADABLE
    try:
        raw = caption_bytes(path)
        edition = edition_of(raw)
        return edition, None if raw is None else caption_text(raw, path), ""
    except DatasetNotUsableError as error:
        return edition, None, str(error)


def _stamp(entry: os.DirEntry[str]) -> Stamp:
    found = entry.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _may_count(entry: os.DirEntry[str]) -> bool:
    return not entry.name.startswith(".") and entry.is_file()


def _is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122  some 20,000 times a look


def _caption_name(name: str) -> str:
    return f"{os.path.splitext(name)[0]}.txt"  # noqa: PTH122
