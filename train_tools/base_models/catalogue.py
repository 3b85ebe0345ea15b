"""What base models hold, told from their headers. A file that can't be used is listed with the reason and never
hides the others; what was once read is read again only when the file has changed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from sd_contract.base_models.base_model import BaseModel, inspect
from sd_contract.errors import ContractError
from sd_contract.tensors.tensor_files import file_sha256, legacy_file_hash, read_header, remembered_sha256
from train_tools.base_models.folders import model_paths, searched_folders
from train_tools.base_models.styles import Styles, guessed_style
from train_tools.errors import NotFoundError, StorageError, TrainToolsError
from train_tools.model.base_model import BaseModelFile, BaseModelList

Check = Callable[[Path], None]
"""Raises an error in words when the trainer can't train on a file."""
Stamp = tuple[Path, int, int]
"""A file's path, size and time of change."""
SHORT_HASH_FROM = 0x110000
"""Smaller files have no eight digits of their own."""


class Catalogue:
    """`cache` is where hashes of large files are remembered."""

    def __init__(self, check: Check, styles: Styles, cache: Path) -> None:
        self._check = check
        self._styles = styles
        self._cache = cache
        self._read: dict[Stamp, BaseModelFile] = {}
        self._reading = threading.Lock()

    def all(self, named: Iterable[str], own: Path) -> BaseModelList:
        """All base models below the named folders and one's own, sorted by folder and name."""
        folders, problems = searched_folders(named, own)
        paths = dict.fromkeys(path for folder in folders for path in model_paths(folder))
        return BaseModelList(
            models=tuple(self._told(path) for path in paths), folders=tuple(folders), problems=tuple(problems)
        )

    def one(self, path: Path, *, with_hash: bool = False) -> BaseModelFile:
        """What a file or diffusers folder holds, wherever it lies; `with_hash` reads all of it. Raises
        NotFoundError when it isn't there."""
        path = path.expanduser().absolute()
        if not path.exists():
            raise NotFoundError(f"There is no base model {path}.")
        told = self._told(path)
        if not with_hash or path.is_dir():
            return told
        try:
            return replace(told, sha256=file_sha256(path, self._cache))
        except OSError as error:
            raise StorageError(f"Could not read {path}: {error.strerror or error}.") from error

    def forget(self) -> None:
        """Everything is read anew the next time."""
        with self._reading:
            self._read.clear()

    def _told(self, path: Path) -> BaseModelFile:
        """What is known of a file; its style and its hash are looked up each time."""
        try:
            told = self._facts(path)
            sha256 = "" if path.is_dir() else remembered_sha256(path, self._cache) or ""
        except OSError as error:
            return BaseModelFile(path=path, problem=f"It can't be read: {error.strerror or error}.")
        return replace(told, sha256=sha256, style=self._styles.of(told) or told.style)

    def _facts(self, path: Path) -> BaseModelFile:
        status = path.stat()
        stamp = (path, status.st_size, status.st_mtime_ns)
        with self._reading:
            known = self._read.get(stamp)
        if known is None:
            known = self._inspected(
                BaseModelFile(
                    path=path,
                    size_bytes=_size(path),
                    modified=status.st_mtime,
                    short_hash=_short_hash(path, status.st_size),
                )
            )
            with self._reading:
                self._read[stamp] = known
        return known

    def _inspected(self, bare: BaseModelFile) -> BaseModelFile:
        try:
            base = inspect(bare.path)
        except ContractError as error:
            return replace(bare, problem=str(error))
        told = replace(
            bare,
            family=base.family,
            prediction=base.prediction_type,
            prediction_sign=_sign(base),
            resolution_px=base.resolution,
            style=guessed_style(bare.path.stem, _metadata(bare.path)),
        )
        try:
            self._check(bare.path)
        except (ContractError, TrainToolsError) as error:
            return replace(told, problem=str(error))
        return told


def _sign(base: BaseModel) -> str:
    if base.prediction.sign or not base.v_prediction:
        return base.prediction.sign
    return '"-v-" in its name'


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size


def _short_hash(path: Path, size_bytes: int) -> str:
    return "" if path.is_dir() or size_bytes < SHORT_HASH_FROM else legacy_file_hash(path)


def _metadata(path: Path) -> dict[str, str]:
    if path.is_dir() or path.suffix.lower() != ".safetensors":
        return {}
    return dict(read_header(path).metadata)
