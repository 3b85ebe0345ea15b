"""One import or preparation of a version at a time, on this machine: two at once would take each other's names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from train_tools.errors import InUseError
from train_tools.files import storage_error
from train_tools.jobs.lease import Lease, state_folder
from train_tools.model.paths import VersionPaths

PATIENCE_S = 0.5


@contextmanager
def alone_with(version: VersionPaths) -> Iterator[None]:
    """Raises InUseError while another import or preparation of this version is under way."""
    place = hashlib.sha256(str(version.folder.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    lock = state_folder() / "datasets" / f"{place}.lock"
    try:
        lease = Lease.take(lock, PATIENCE_S)
    except OSError as error:
        raise storage_error(lock, error) from error
    if lease is None:
        raise InUseError(
            f"The dataset of {version.folder.name!r} is being imported or prepared already. "
            "Wait for its end, then start again."
        )
    try:
        yield
    finally:
        lease.release()
