"""What a run would train on now: the `<repeats>_<class>` folders as they are, by whomever they were made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from sd_contract.datasets import IMAGE_SUFFIXES, list_images
from train_tools.datasets.captions import read_caption
from train_tools.datasets.folders import folder_name, parsed
from train_tools.datasets.pictures import picture_suffixes
from train_tools.errors import DatasetNotUsableError, StorageError
from train_tools.files import sha256_of
from train_tools.model.dataset import CaptionPolicy, Dataset, DatasetFolder, Rejected, TrainingImage
from train_tools.model.paths import VersionPaths


def read_dataset(version: VersionPaths) -> Dataset:
    """The folders, images and captions on disk now. What lies there but won't be trained on is among `problems`.

    Regularisation counts only where it holds images of a class that is trained (S1-33, S1-34).
    """
    try:
        return _read(version)
    except OSError as error:
        raise StorageError(
            f"The dataset in {version.folder} can't be read: {error.strerror or error} ({error.filename}). "
            "If another program is changing it now, try again."
        ) from error


def _read(version: VersionPaths) -> Dataset:
    problems: list[Rejected] = []
    folders = tuple(_folders(version.processed, problems))
    classes = {folder.class_name for folder in folders}
    regularisation = tuple(
        folder for folder in _folders(version.regularisation, problems) if _regularises(folder, classes, problems)
    )
    return Dataset(
        folders=folders,
        regularisation=regularisation,
        content=content_of(folders, regularisation),
        problems=tuple(problems),
    )


def regularisation_images(version: VersionPaths) -> dict[str, int]:
    """How many images the folders in `reg` hold, by name, whether they count or not."""
    if not version.regularisation.is_dir():
        return {}
    folders = sorted(entry for entry in version.regularisation.iterdir() if entry.is_dir() and parsed(entry.name))
    return {folder.name: len(list_images(folder)) for folder in folders}


def regularisation_folder(version: VersionPaths, class_name: str, repeats: int = 1) -> Path:
    """Where regularisation pictures of a class belong (S1-33)."""
    return version.regularisation / folder_name(repeats, class_name)


def _folders(parent: Path, problems: list[Rejected]) -> Iterator[DatasetFolder]:
    for entry in sorted(parent.iterdir()) if parent.is_dir() else ():
        if entry.name.startswith("."):
            continue
        if entry.is_symlink():
            _report(problems, entry, "it is a link and is not followed")
        elif entry.is_dir():
            folder = _folder(entry, problems)
            if folder is not None:
                yield folder
        elif entry.suffix.lower() in picture_suffixes():
            _report(problems, entry, "it lies beside the folders: put it into <repeats>_<class>, as 10_cat")


def _folder(path: Path, problems: list[Rejected]) -> DatasetFolder | None:
    name = parsed(path.name)
    if name is None:
        _report(problems, path, "its name is not <repeats>_<class> with 1 or more repeats, as 10_cat")
        return None
    images = tuple(_images(path, problems))
    if not images:
        _report(problems, path, "it holds no images")
        return None
    return DatasetFolder(path=path, repeats=name[0], class_name=name[1], images=images)


def _images(folder: Path, problems: list[Rejected]) -> Iterator[TrainingImage]:
    for image in list_images(folder):
        try:
            yield TrainingImage(path=image, caption=_caption_of(image))
        except DatasetNotUsableError as error:
            _report(problems, image, str(error))
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not entry.name.startswith("."):
            _report(problems, entry, "folders in folders are not trained on")
        elif entry.suffix.lower() in set(picture_suffixes()) - IMAGE_SUFFIXES:
            _report(problems, entry, "its format is not trained on: put it into origin and prepare again")


def _regularises(folder: DatasetFolder, classes: set[str], problems: list[Rejected]) -> bool:
    if folder.class_name in classes:
        return True
    wanted = " or ".join(f"{folder.repeats}_{name}" for name in sorted(classes)) or "a class that is trained"
    _report(problems, folder.path, f"no folder trains the class {folder.class_name!r}: call it {wanted}")
    return False


def _caption_of(image: Path) -> str:
    path = _caption_file(image)
    return read_caption(path) if path.is_file() else ""


def _caption_file(image: Path) -> Path:
    return image.with_suffix(".txt")


def content_of(folders: Sequence[DatasetFolder], regularisation: Sequence[DatasetFolder]) -> str:
    """Equal when a run would see the same: images, names (they decide the order), captions, repeats, classes."""
    items = [
        [
            is_reg,
            folder.repeats,
            folder.class_name,
            image.path.name,
            picture_sha256(image.path),
            caption_seen(folder, image),
            *([picture_sha256(folder.masks / f"{image.path.stem}.png")] if folder.masks else []),
        ]
        for is_reg, group in ((False, folders), (True, regularisation))
        for folder in group
        for image in folder.images
    ]
    text = json.dumps(sorted(items, key=lambda item: item[:4]), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def caption_seen(folder: DatasetFolder, image: TrainingImage) -> str | None:
    """The caption as the folder's policy makes it; None where the trainer takes the class: without a file, but not
    for an empty one."""
    if folder.captions is CaptionPolicy.CLASS_ONLY or not (image.caption or _caption_file(image.path).is_file()):
        return None
    is_first = folder.captions is CaptionPolicy.CLASS_FIRST
    return f"{folder.class_name}, {image.caption}" if is_first else image.caption


def picture_sha256(path: Path) -> str:
    found = path.stat()
    return _sha256_while_unchanged(path, found.st_ino, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=20_000)
def _sha256_while_unchanged(path: Path, inode: int, size: int, modified_ns: int) -> str:
    return sha256_of(path)


def _report(problems: list[Rejected], path: Path, reason: str) -> None:
    problems.append(Rejected(source=str(path), reason=reason))
