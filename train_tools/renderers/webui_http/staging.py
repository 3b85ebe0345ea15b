"""Checkpoints in a WebUI's LoRA folder, for as long as they are rendered: each under a name that was never used
before and never will be again, because WebUIs remember what they have read by its name.

All lie in `train_tools/<session>/` below the LoRA folder, so that nothing else there is ever touched; what a
session that was killed left behind, the next one clears away.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from train_tools.errors import NotNowError, StorageError
from train_tools.files import link_or_copy, storage_error
from train_tools.jobs.lease import Lease, held

CORNER = "train_tools"
SESSION = re.compile(r"[0-9a-f]{32}")
OURS = re.compile(r"tt-[0-9a-z]+-[0-9a-f]{8}\.safetensors|\.[0-9a-f]{32}\.tmp")
FORGOTTEN_S = 86_400
"""What a session of another machine has staged is taken for forgotten after a day."""


@dataclass(frozen=True)
class Staged:
    """A file in a LoRA folder; its stem is what prompts call it."""

    file: Path

    @property
    def name(self) -> str:
        return self.file.stem


class Staging:
    """A session's place in a LoRA folder. `leases` is a local folder that tells which sessions live."""

    def __init__(self, folder: Path, leases: Path) -> None:
        self._corner = folder / CORNER
        self._leases = leases
        self._session = uuid.uuid4().hex
        self._lease: Lease | None = None
        self.folder = self._corner / self._session

    def open(self) -> None:
        """Makes the place and clears away what dead sessions have left. Raises StorageError."""
        if not self._corner.parent.is_dir():
            raise StorageError(
                f"The WebUI's LoRA folder {self._corner.parent} is not there on this machine. If the WebUI runs "
                "on another one, share that folder and say where it is seen from here: "
                "`train-tools settings webui.lora_folder=DIR`."
            )
        self._lease = Lease.take(self._lease_of(self._session))
        try:
            self.folder.mkdir(parents=True)
        except OSError as error:
            raise self._told(error) from error
        for left in leftovers(self._corner.parent, self._leases):
            if left != self.folder:
                _remove(left)
                self._lease_of(left.name).unlink(missing_ok=True)

    def stage(self, checkpoint: Path, content_hash: str) -> Staged:
        """The checkpoint's content under a new name. Raises StorageError, NotNowError when the disk is full."""
        readable = re.sub(r"[^0-9a-z]", "", content_hash.lower())[:12] or "x"
        file = self.folder / f"tt-{readable}-{uuid.uuid4().hex[:8]}.safetensors"
        try:
            link_or_copy(checkpoint, file)
        except OSError as error:
            raise self._told(error) from error
        return Staged(file)

    def unstage(self, staged: Staged) -> None:
        with suppress(OSError):
            staged.file.unlink()

    def close(self) -> None:
        """Takes everything away again, as far as the folder lets us."""
        _remove(self.folder)
        if self._lease is not None:
            self._lease.release()
            self._lease.path.unlink(missing_ok=True)

    def _lease_of(self, session: str) -> Path:
        return self._leases / f"{session}.lock"

    def _told(self, error: OSError) -> StorageError:
        told = storage_error(self.folder, error)
        if isinstance(told, NotNowError):
            return told
        return StorageError(
            f"The WebUI's LoRA folder {self._corner.parent} can't be written ({error.strerror or error}). Let "
            "this user write there, or say another that the WebUI reads: "
            "`train-tools settings webui.lora_folder=DIR`."
        )


def leftovers(lora_folder: Path, leases: Path) -> Iterator[Path]:
    """Places of sessions that no longer live."""
    with suppress(OSError):
        for place in sorted((lora_folder / CORNER).iterdir()):
            if SESSION.fullmatch(place.name) and place.is_dir() and not place.is_symlink():
                lease = leases / f"{place.name}.lock"
                if not held(lease) and (lease.exists() or _is_old(place)):
                    yield place


def _is_old(place: Path) -> bool:
    return time.time() - place.stat().st_mtime > FORGOTTEN_S


def _remove(place: Path) -> None:
    """Removes our files there, and the folders that are then empty; anything else stays."""
    with suppress(OSError):
        for file in list(place.iterdir()):
            if OURS.fullmatch(file.name):
                file.unlink(missing_ok=True)
        place.rmdir()
        place.parent.rmdir()
