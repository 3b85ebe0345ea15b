"""What was put right at one word, and how to undo it. Files are moved, never deleted.

A cure is noted before it is applied: what was killed halfway is undone like what came to its end.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from train_tools.checks.subject import folder_of, original_of
from train_tools.datasets.captions import caption_beside
from train_tools.datasets.folders import class_of, folder_name
from train_tools.datasets.masks import white_mask
from train_tools.datasets.origin import concepts
from train_tools.errors import ChangedMeanwhileError, NotFoundError, StorageError
from train_tools.files import storage_error, write_text
from train_tools.model.checks import Cure, CureRecord
from train_tools.model.paths import VersionPaths
from train_tools.preparation.edits import record_in

Moves = list[tuple[str, str]]
"""Files or folders of the dataset, from where to where, relative to its folder."""


class Cures:
    """Those of one version, in the order in which they were applied."""

    def __init__(self, version: VersionPaths) -> None:
        self._file = version.cures

    def records(self) -> tuple[CureRecord, ...]:
        """Raises StorageError for a file that nobody should have edited."""
        try:
            lines = self._file.read_text(encoding="utf-8").splitlines()
            return tuple(CureRecord(**json.loads(line)) for line in lines if line)
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, TypeError) as error:
            raise StorageError(f"{self._file} can't be read: {error}. Put it aside to start a new one.") from error

    def next_number(self) -> int:
        return max((record.number for record in self.records()), default=0) + 1

    def note(self, number: int, cure: Cure, before: Mapping[str, Any]) -> CureRecord:
        record = CureRecord(
            number=number,
            when=datetime.now(UTC).isoformat(timespec="seconds"),
            what=cure.in_words,
            kind=cure.kind.value,
            before=before,
        )
        self._write((*self.records(), record))
        return record

    def to_undo(self, number: int | None) -> CureRecord:
        """The cure of that number, else the last that was not undone. Raises NotFoundError."""
        for record in reversed(self.records()):
            if number in (None, record.number) and not record.undone:
                return record
        raise NotFoundError(
            "There is no cure to undo." if number is None else f"There is no cure {number} to undo."
        )

    def mark_undone(self, number: int) -> CureRecord:
        records = {record.number: record for record in self.records()}
        records[number] = replace(records[number], undone=True)
        self._write(records.values())
        return records[number]

    def _write(self, records: Any) -> None:
        lines = (json.dumps(asdict(record), ensure_ascii=True) for record in records)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        write_text(self._file, "".join(f"{line}\n" for line in lines))


def moves_aside(version: VersionPaths, images: Sequence[str], number: int) -> Moves:
    """What is to be moved so that the images are no longer trained, and are not prepared again: with captions and
    masks, and with the original where nothing is left of it. Raises NotFoundError."""
    dataset = version.processed.parent
    files = [path for image in images for path in _files_of(version, image)]
    files += [path for original in _originals_left_bare(version, images) for path in _with_caption(original)]
    aside = version.put_aside.relative_to(dataset) / str(number)
    names = dict.fromkeys(path.relative_to(dataset).as_posix() for path in files)
    return [(name, (aside / name).as_posix()) for name in names]


def moves_to_repeats(version: VersionPaths, folder: str, repeats: int) -> Moves:
    """Raises NotFoundError, or ChangedMeanwhileError where a folder of the new name is there."""
    class_name = class_of(folder)
    if class_name is None or "/" in folder or "\\" in folder or not (version.processed / folder).is_dir():
        raise NotFoundError(f"There is no training folder {folder!r}.")
    new = folder_name(repeats, class_name)
    if new != folder and (version.processed / new).exists():
        raise ChangedMeanwhileError(f"There is a folder {new} already. Rename one of them yourself.")
    return [(f"{version.processed.name}/{folder}", f"{version.processed.name}/{new}")]


def moves_of_white_masks(version: VersionPaths, images: Sequence[str], number: int) -> Moves:
    """Makes the masks where things are put aside, so that they come and go like these. Raises NotFoundError, or
    DatasetError for what is no image."""
    dataset, moves = version.processed.parent, []
    for image in images:
        path = next(_files_of(version, image))
        place = version.masks / f"{path.stem}.png"
        if not place.exists():
            made = version.put_aside / str(number) / version.masks.name / place.name
            white_mask(path, made)
            moves.append((made.relative_to(dataset).as_posix(), place.relative_to(dataset).as_posix()))
    return moves


def move(version: VersionPaths, moves: Moves) -> None:
    """Raises StorageError; what was moved till then stays where it is, for `move_back`."""
    dataset = version.processed.parent
    for source, target in moves:
        _rename(dataset / source, dataset / target)


def move_back(version: VersionPaths, moves: Moves) -> None:
    """Raises ChangedMeanwhileError, and moves nothing, where other files lie in the places by now."""
    dataset = version.processed.parent
    there = [source for source, target in moves if (dataset / target).exists() and (dataset / source).exists()]
    if there:
        raise ChangedMeanwhileError(
            f"{there[0]} is there again, so what was put aside stays aside. Move it out of the way first."
        )
    for source, target in reversed(moves):
        if (dataset / target).exists():
            _rename(dataset / target, dataset / source)


def _rename(source: Path, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)
    except OSError as error:
        raise storage_error(target, error) from error


def _files_of(version: VersionPaths, image: str) -> Iterator[Path]:
    folder, _, name = image.partition("/")
    path = version.processed / folder / name
    if class_of(folder) is None or {"/", "\\"} & set(name) or not path.is_file():
        raise NotFoundError(f"There is no training image {image!r} in this version.")
    yield from _with_caption(path)
    mask = version.masks / f"{path.stem}.png"
    if mask.is_file():
        yield mask


def _with_caption(picture: Path) -> Iterator[Path]:
    yield picture
    caption = caption_beside(picture)
    if caption:
        yield caption


def _originals_left_bare(version: VersionPaths, images: Sequence[str]) -> Iterator[Path]:
    """Originals all of whose training images are among these."""
    chosen: dict[str, set[str]] = {}
    for image in images:
        chosen.setdefault(original_of(image), set()).add(image)
    for original, those in chosen.items():
        folder = folder_of(original)
        record = record_in(version.processed / folder)
        beginning = f"{original.partition('/')[2]}-"
        made = {
            path.name for path in (version.processed / folder).glob("*.png") if path.name.startswith(beginning)
        }
        if record and made and {image.partition("/")[2] for image in those} >= made:
            stem = min(made).removeprefix(beginning).partition("-")[2].removesuffix(".png")
            yield from _original(version, str(record.get("concept", "")), stem)


def _original(version: VersionPaths, concept: str, stem: str) -> Iterator[Path]:
    for each in concepts(version):
        if each.folder == (version.origin / concept if concept else version.origin):
            yield from (picture for picture in each.pictures if picture.stem == stem)
