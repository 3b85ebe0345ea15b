"""What the user thinks of a checkpoint: a small TOML file beside its previews, which goes where they go."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sd_contract.errors import CheckpointError
from sd_contract.tensors.tensor_files import read_header
from train_tools.errors import OptionValueError, StorageError
from train_tools.files import read_toml, storage_error, write_toml
from train_tools.model.checkpoint import Checkpoint, Marks
from train_tools.model.paths import CheckpointPaths

FORMAT = 1
HASH_KEY = "sshs_model_hash"
_one_at_a_time = threading.Lock()


def marks_of(checkpoint: Checkpoint) -> Marks:
    """The marks of the file as it is now: a rating given to other weights of this name does not count. Raises
    StorageError when the marks can't be read."""
    file = paths_of(checkpoint).marks
    if not file.exists():
        return Marks()
    marks = _read(read_toml(file), str(file))
    known = _weights(checkpoint)
    return replace(marks, rating=0) if marks.weights and known and marks.weights != known else marks


def readable_marks(checkpoint: Checkpoint) -> Marks:
    """None where they can't be read: `marks_of` tells why."""
    try:
        return marks_of(checkpoint)
    except StorageError:
        return Marks()


def change_marks(checkpoint: Checkpoint, change: Callable[[Marks], Marks]) -> Marks:
    """Keeps other marks. Raises StorageError when they can't be written, OptionValueError when they can't be
    kept."""
    paths = paths_of(checkpoint)
    with _one_at_a_time:
        marks = change(marks_of(checkpoint))
        marks = replace(marks, weights=_weights(checkpoint) if marks.rating else "")
        try:
            paths.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise storage_error(paths.marks, error) from error
        write_toml(
            paths.marks,
            {
                "format": FORMAT,
                "rating": marks.rating,
                "pinned": marks.pinned,
                "notes": marks.notes,
                **({"weights": marks.weights} if marks.weights else {}),
            },
        )
    return marks


def paths_of(checkpoint: Checkpoint) -> CheckpointPaths:
    return CheckpointPaths(checkpoint.path.with_suffix(""))


def _weights(checkpoint: Checkpoint) -> str:
    """Which weights the file says it holds; "" where it does not say."""
    try:
        return read_header(checkpoint.path).metadata.get(HASH_KEY, "")
    except CheckpointError:
        return ""


def _read(table: dict[str, Any], file: str) -> Marks:
    written = table.get("format", FORMAT)
    if not isinstance(written, int) or written > FORMAT:
        raise StorageError(f"{file} has format {written!r}; a newer Train Tools wrote it. Use that one.")
    kinds = {"rating": int, "pinned": bool, "notes": str, "weights": str}
    values = {name: table[name] for name in kinds if name in table}
    for name, value in values.items():
        if not isinstance(value, kinds[name]):
            raise StorageError(f"{file}: {name} = {value!r} can't be read. Mend the line, or delete it.")
    try:
        return Marks(**values)
    except OptionValueError as error:
        raise StorageError(f"{file}: {error}") from error
