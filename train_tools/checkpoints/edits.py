"""Editing a checkpoint's metadata: the file is written anew with another header, its tensors untouched, and the
header of before is kept. That is all that is needed to have the old file back, bit for bit."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from sd_contract.tensors.tensor_files import (
    copy_tensors,
    file_sha256,
    head_of,
    verify_safetensors,
    with_hashes,
)
from train_tools.checkpoints.marks import paths_of
from train_tools.checkpoints.partings import twins_of
from train_tools.errors import ChangedMeanwhileError, NotFoundError, OptionValueError, StorageError
from train_tools.files import link_or_copy, storage_error, whole_file, write_json
from train_tools.model.checkpoint import Checkpoint, MetadataEdit

FORMAT = 1
Changes = Mapping[str, str | None]
OUTPUT_NAME = "ss_output_name"
COMPUTED = "sshs_"
PLACES = ("ss_epoch", "ss_steps")
"""By which the checkpoints of a run are told apart."""
LONGEST_KEY = 200
LONGEST_VALUE = 1_000_000
_one_at_a_time = threading.Lock()


def edit_metadata(checkpoint: Checkpoint, changes: Changes, now: datetime) -> MetadataEdit:
    """Sets these keys, or takes them out; works the hashes out anew. Raises OptionValueError for a key that can't
    be edited or an edit that changes nothing, CheckpointError for a damaged file, StorageError."""
    _check(checkpoint, changes)
    with _one_at_a_time:
        metadata = verify_safetensors(checkpoint.path).metadata
        wanted = {key: text for key, text in {**metadata, **changes}.items() if text is not None}
        if wanted == dict(metadata):
            raise OptionValueError(f"{checkpoint.path.name} says so already; nothing was changed.")
        head = with_hashes(checkpoint.path, wanted)
        edit = MetadataEdit(number=max(_numbers(checkpoint), default=0) + 1, edited=now, changes=dict(changes))
        _keep(checkpoint, edit)
        twins = twins_of(checkpoint)
        with whole_file(checkpoint.path) as file:
            copy_tensors(checkpoint.path, head, file)
        _relink(checkpoint, twins)
    return edit


def undo_edit(checkpoint: Checkpoint) -> MetadataEdit:
    """Writes the file of before the last edit, bit for bit. Raises NotFoundError without one,
    ChangedMeanwhileError when the file holds other tensors than it did."""
    with _one_at_a_time:
        number = max(_numbers(checkpoint), default=0)
        if not number:
            raise NotFoundError(
                f"The metadata of {checkpoint.path.name} were not edited: nothing is to be undone."
            )
        kept = _edit_file(checkpoint, number)
        edit, head, sha256 = _read(kept)
        verify_safetensors(checkpoint.path)
        twins = twins_of(checkpoint)
        with whole_file(checkpoint.path) as file:
            copy_tensors(checkpoint.path, head, file)
            file.flush()
            if file_sha256(Path(file.name)) != sha256:
                raise ChangedMeanwhileError(
                    f"{checkpoint.path.name} holds other weights than when it was edited, so the edit can't be "
                    "undone. It was trained anew, or another program has written it."
                )
        _relink(checkpoint, twins)
        kept.unlink()
    return edit


def edits_of(checkpoint: Checkpoint) -> tuple[MetadataEdit, ...]:
    """The edits that can be undone, the newest first."""
    return tuple(_read(_edit_file(checkpoint, number))[0] for number in sorted(_numbers(checkpoint), reverse=True))


def _check(checkpoint: Checkpoint, changes: Changes) -> None:
    if not changes:
        raise OptionValueError("Nothing is to be edited: give KEY=TEXT, or a key to take out.")
    for key, text in changes.items():
        if not key.isprintable() or not key or len(key) > LONGEST_KEY:
            raise OptionValueError(
                f"{key[:LONGEST_KEY]!r} is no key of metadata: up to {LONGEST_KEY} visible characters are."
            )
        if key.startswith(COMPUTED):
            raise OptionValueError(f"{key} is worked out from the file; it can't be edited.")
        if key in PLACES:
            raise OptionValueError(
                f"{key} tells the checkpoints of a run apart; it can't be edited here. Copy the file out and edit "
                "the copy."
            )
        if text is not None and len(text) > LONGEST_VALUE:
            raise OptionValueError(
                f"The text for {key} has {len(text):,} characters; {LONGEST_VALUE:,} are allowed."
            )
    name = changes.get(OUTPUT_NAME)
    if name == checkpoint.name and not checkpoint.final:
        raise OptionValueError(
            f"With {OUTPUT_NAME} = {name}, this checkpoint would count as its run's final one. "
            "`train-tools checkpoints copy` gives a copy that name."
        )
    if checkpoint.final and OUTPUT_NAME in changes and name != checkpoint.name:
        raise OptionValueError(
            f"{OUTPUT_NAME} tells that this is its run's final checkpoint; it can't be another. "
            "`train-tools checkpoints copy --name` gives a copy another name."
        )


def _keep(checkpoint: Checkpoint, edit: MetadataEdit) -> None:
    """Keeps what the file is now, before it is written anew."""
    file = _edit_file(checkpoint, edit.number)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(file, error) from error
    write_json(
        file,
        {
            "format": FORMAT,
            "edited": edit.edited.isoformat(),
            "changes": edit.changes,
            "sha256": file_sha256(checkpoint.path),
            "head": base64.b64encode(head_of(checkpoint.path)).decode("ascii"),
        },
    )


def _read(file: Path) -> tuple[MetadataEdit, bytes, str]:
    """The edit, the head that the file had before, and the sha256 of the file of then."""
    try:
        fields = json.loads(file.read_text(encoding="utf-8"))
        edit = MetadataEdit(
            number=int(file.stem), edited=datetime.fromisoformat(fields["edited"]), changes=dict(fields["changes"])
        )
        return edit, base64.b64decode(fields["head"], validate=True), str(fields["sha256"])
    except OSError as error:
        raise StorageError(f"Could not read {file}: {error.strerror or error}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(f"{file} does not tell what was edited ({error}). Put it aside.") from error


def _relink(checkpoint: Checkpoint, twins: list[Path]) -> None:
    """The trainer's own names of the file go on naming it, or each edit would cost the disk a whole file."""
    for twin in twins:
        try:
            link_or_copy(checkpoint.path, twin)
        except OSError as error:
            raise storage_error(twin, error) from error


def _numbers(checkpoint: Checkpoint) -> list[int]:
    return [int(file.stem) for file in paths_of(checkpoint).edits.glob("*.json") if file.stem.isdecimal()]


def _edit_file(checkpoint: Checkpoint, number: int) -> Path:
    return paths_of(checkpoint).edits / f"{number:03}.json"
