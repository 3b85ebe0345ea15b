"""The saved state of a training, from which it goes on at the exact step: a folder, whole or not there at all.

manifest.json   what it is the state of, and size and sha256 of every other file; written last
*.safetensors   tensors: weights, optimizer, generators
values.json     everything else

It is written under a name that ends with `.tmp` and renamed when it is on the disk. Knows files, not training."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sd_contract.errors import StateError

MANIFEST = "manifest.json"
UNFINISHED = ".tmp"
KOHYAS_FILE = "train_state.json"
Write = Callable[[Path], None]


@dataclass(frozen=True, kw_only=True)
class FileEntry:
    size_bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class StateManifest:
    """What a state is the state of. `options` are all option values of the run, `made_with` what equal bits need:
    versions, threads, device. `checkpoints` are the files that the run had saved and kept by then."""

    step: int
    epoch: int
    seed: int
    session_id: int
    started_at: float
    checkpoints: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    made_with: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, FileEntry] = field(default_factory=dict)
    format: int = 1


def write_state(folder: Path, manifest: StateManifest, writers: Mapping[str, Write]) -> None:
    """Puts a state at `folder`, in place of one that may be there. Each writer writes the file of its name; the
    manifest's `files` are filled in. OSError when the disk does not take it; nothing is left behind then."""
    unfinished = folder.with_name(folder.name + UNFINISHED)
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        unfinished.mkdir(parents=True)
        entries = {name: _written(unfinished / name, write) for name, write in writers.items()}
        whole = {**asdict(manifest), "files": {name: asdict(entry) for name, entry in entries.items()}}
        _written(unfinished / MANIFEST, lambda path: _write_json(path, whole))
        _sync_folder(unfinished)
        remove_state(folder)
        unfinished.rename(folder)
        _sync_folder(folder.parent)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def read_manifest(folder: Path) -> StateManifest:
    """The manifest of a state; the other files are not looked at. StateError when it is none."""
    try:
        fields = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if fields["format"] != 1:
            raise StateError(f"state {folder} has format {fields['format']}; this version reads format 1.")
        files = {name: FileEntry(**entry) for name, entry in fields["files"].items()}
        return StateManifest(**{**fields, "files": files, "checkpoints": tuple(fields["checkpoints"])})
    except FileNotFoundError as error:
        raise StateError(_no_state(folder)) from error
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        if isinstance(error, StateError):
            raise
        raise StateError(f"state {folder} is damaged: its {MANIFEST} can't be read ({error}).") from error


def verify_state(folder: Path) -> StateManifest:
    """The manifest of a state whose files all are as they were written; else StateError."""
    manifest = read_manifest(folder)
    for name, entry in manifest.files.items():
        try:
            sound = _entry(folder / name) == entry
        except OSError as error:
            raise StateError(f"state {folder} is damaged: {name} can't be read ({error.strerror}).") from error
        if not sound:
            raise StateError(f"state {folder} is damaged: {name} is not as it was written.")
    return manifest


def newest_state(folders: Iterable[Path]) -> Path | None:
    """The state that came farthest of those directly below these folders; damaged ones are passed over."""
    for _, state in sorted(_states_below(folders), key=lambda found: found[0], reverse=True):
        try:
            verify_state(state)
        except StateError:
            continue
        return state
    return None


def remove_state(folder: Path) -> None:
    """Removes a state; what is left of it if that is cut short is not taken for one."""
    leaving = folder.with_name(folder.name + ".old" + UNFINISHED)
    shutil.rmtree(leaving, ignore_errors=True)
    if folder.exists():
        folder.rename(leaving)
        shutil.rmtree(leaving, ignore_errors=True)


def _states_below(folders: Iterable[Path]) -> Iterable[tuple[int, Path]]:
    for folder in folders:
        for state in sorted(folder.iterdir()) if folder.is_dir() else ():
            if state.name.endswith(UNFINISHED):
                continue
            try:
                yield read_manifest(state).step, state
            except StateError:
                continue


def _no_state(folder: Path) -> str:
    if not folder.is_dir():
        return f"state {folder} does not exist."
    if (folder / KOHYAS_FILE).exists():
        return (
            f"state {folder} was written by kohya's sd-scripts, whose states hold pickles that run code when they "
            "are read. Go on with sd-scripts, or start from its LoRA with network_weights."
        )
    return f"{folder} is no state of a training: it has no {MANIFEST}."


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")


def _written(path: Path, write: Write) -> FileEntry:
    """Has the file written and waits until it is on the disk."""
    write(path)
    with path.open("rb+") as file:
        os.fsync(file.fileno())
    return _entry(path)


def _entry(path: Path) -> FileEntry:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileEntry(size_bytes=path.stat().st_size, sha256=digest)


def _sync_folder(folder: Path) -> None:
    """Makes new names last through a power cut, where the system can do that."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
