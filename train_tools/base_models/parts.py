"""A file that is on its way: its bytes so far beside the place it will have, with what they are of. It takes its
name when it is whole and holds what it should, or never."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sd_contract.errors import CheckpointError
from sd_contract.tensors.tensor_files import file_sha256, verify_safetensors
from train_tools.errors import AlreadyExistsError, DownloadError, InUseError
from train_tools.files import storage_error, write_json
from train_tools.jobs.lease import Lease, state_folder
from train_tools.model.download import Offer

SUFFIX = ".part"
FORMAT = 1


@dataclass(frozen=True)
class Part:
    """The bytes so far of the file at `target`."""

    target: Path

    @property
    def path(self) -> Path:
        return self.target.with_name(self.target.name + SUFFIX)

    @property
    def note(self) -> Path:
        """What the bytes are of: never the address, which may hold a secret."""
        return self.target.with_name(self.target.name + SUFFIX + ".json")

    @property
    def size_bytes(self) -> int:
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def belongs_to(self, size_bytes: int, validator: str) -> bool:
        """Whether the bytes are of the file that is offered now; without a sign of that, they aren't."""
        try:
            note = json.loads(self.note.read_text(encoding="utf-8"))
            return bool(validator) and note == _note(size_bytes, validator) and self.size_bytes <= size_bytes
        except (OSError, ValueError):
            return False

    def begin(self, offer: Offer) -> None:
        """Keeps the bytes of an earlier attempt at this very file; those of another go."""
        if not self.belongs_to(offer.size_bytes, offer.validator):
            self.drop()
            write_json(self.note, _note(offer.size_bytes, offer.validator))

    def append(self, file: IO[bytes], piece: bytes) -> None:
        try:
            file.write(piece)
        except OSError as error:
            raise storage_error(self.target, error) from error

    @contextmanager
    def opened(self, *, anew: bool) -> Iterator[IO[bytes]]:
        """For appending; `anew` drops what was there."""
        try:
            file = self.path.open("wb" if anew else "ab")
        except OSError as error:
            raise storage_error(self.target, error) from error
        with file:
            yield file

    def finish(self, offer: Offer, sha256: str) -> Path:
        """Gives the file its name. Raises DownloadError and drops the bytes when they are not what they should
        be."""
        try:
            with self.path.open("rb+") as file:
                os.fsync(file.fileno())
        except OSError as error:
            raise storage_error(self.target, error) from error
        problem = self._problem(sha256)
        if problem:
            self.drop()
            raise DownloadError(f"{offer.name} from {offer.sent_by} was not kept: {problem}")
        _rename(self.path, self.target)
        self.note.unlink(missing_ok=True)
        return self.target

    def drop(self) -> None:
        for path in (self.path, self.note):
            path.unlink(missing_ok=True)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Raises InUseError while somebody else fetches the same file."""
        place = hashlib.sha256(str(self.target.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:16]
        lock = state_folder() / "downloads" / f"{place}.lock"
        try:
            lease = Lease.take(lock)
        except OSError as error:
            raise storage_error(lock, error) from error
        if lease is None:
            raise InUseError(f"{self.target.name} is being fetched into {self.target.parent} already.")
        try:
            yield
        finally:
            lease.release()

    def _problem(self, sha256: str) -> str:
        if sha256 and file_sha256(self.path) != sha256:
            return f"its sha256 is not {sha256[:10]}... as it should be. Ask for it again, or from somebody else."
        if self.target.suffix.lower() != ".safetensors":
            return ""
        try:
            verify_safetensors(self.path)
        except CheckpointError as error:
            return f"it is no whole .safetensors file ({error}). The address may lead to something else."
        return ""


def _note(size_bytes: int, validator: str) -> dict[str, object]:
    return {"format": FORMAT, "size_bytes": size_bytes, "validator": validator}


def _rename(source: Path, target: Path) -> None:
    """Like renaming, but what came there meanwhile is never replaced."""
    try:
        target.hardlink_to(source)
        source.unlink()
    except FileExistsError as error:
        raise AlreadyExistsError(f"{target} is there already; nothing was replaced.") from error
    except OSError:  # a disk without hard links
        if target.exists():
            raise AlreadyExistsError(f"{target} is there already; nothing was replaced.") from None
        try:
            source.rename(target)
        except OSError as error:
            raise storage_error(target, error) from error
