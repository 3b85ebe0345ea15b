"""What a dataset was, file by file: kept once for each content in the version, however many runs train on it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from sd_contract.modes import PAIR
from train_tools.datasets.dataset import caption_seen, picture_sha256
from train_tools.errors import StorageError
from train_tools.files import storage_error, write_json
from train_tools.model.dataset import Dataset, DatasetFolder
from train_tools.model.difference import Change
from train_tools.model.paths import VersionPaths

FORMAT = 1
HEX_SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class DatasetFile:
    """One image with what the trainer sees of it. `path` is relative to the dataset folder that holds it."""

    path: str
    sha256: str
    caption: str | None
    """None = the class is its caption."""
    repeats: int
    regularises: bool = False


def keep_manifest(version: VersionPaths, dataset: Dataset) -> str:
    """Writes the dataset's manifest where it is missing; returns its path below the version's folder."""
    path = version.manifest(dataset.content)
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(path, error) from error
        files = [asdict(file) for file in files_of(dataset)]
        write_json(path, {"format": FORMAT, "content": dataset.content, "files": files})
    return path.relative_to(version.folder).as_posix()


def files_of(dataset: Dataset) -> Iterator[DatasetFile]:
    """The dataset's files as they are now; those of a pair that is named by what they are in it."""
    for name, file in zip(PAIR, dataset.pair, strict=False):
        yield DatasetFile(path=f"{name}/{file.name}", sha256=picture_sha256(file), caption=None, repeats=1)
    for group, regularises in ((dataset.folders, False), (dataset.regularisation, True)):
        for folder in group:
            yield from _files_in(folder, regularises)


def read_manifest(version: VersionPaths, content: str) -> dict[str, DatasetFile] | None:
    """The files of a dataset of that content by path; None where nobody wrote them down.

    Raises StorageError when the file is damaged or newer.
    """
    path = version.manifest(content)
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        if table["format"] > FORMAT:
            raise StorageError(f"{path} was written by a newer Train Tools; use that one to read it.")
        return {fields["path"]: DatasetFile(**fields) for fields in table["files"]}
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"Could not read {path}: {error.strerror or error}.") from error
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(f"{path} is not a whole list of a dataset's files: {error}. Put it aside.") from error


def changes_between(before: Mapping[str, DatasetFile], after: Mapping[str, DatasetFile]) -> Iterator[Change]:
    """Images that were added, removed or are seen in another way, by path."""
    for path in sorted({*before, *after}):
        old, new = before.get(path), after.get(path)
        if old is None or new is None:
            yield Change(what=path, before="there" if old else "", after="there" if new else "")
            continue
        if old.sha256 != new.sha256:
            yield Change(what=f"{path}: picture", before=old.sha256[:HEX_SHOWN], after=new.sha256[:HEX_SHOWN])
        if old.caption != new.caption:
            yield Change(what=f"{path}: caption", before=_shown(old.caption), after=_shown(new.caption))
        if old.repeats != new.repeats:
            yield Change(what=f"{path}: repeats", before=str(old.repeats), after=str(new.repeats))


def _shown(caption: str | None) -> str:
    return "its class" if caption is None else caption or "nothing"


def _files_in(folder: DatasetFolder, regularises: bool) -> Iterator[DatasetFile]:
    root = folder.path.parent.parent
    for image in folder.images:
        yield DatasetFile(
            path=image.path.relative_to(root).as_posix(),
            sha256=picture_sha256(image.path),
            caption=caption_seen(folder, image),
            repeats=folder.repeats,
            regularises=regularises,
        )
