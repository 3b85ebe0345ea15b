"""A version with pictures to train on, and a place for leases and slots that belongs to one test alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.engines.conformance import draw_folder
from train_tools.jobs.lease import Lease
from train_tools.model.paths import VersionPaths


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where leases and slots lie during the test, for the processes it starts as well."""
    folder = tmp_path / "state"
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(folder))
    return folder


@pytest.fixture
def version(tmp_path: Path) -> VersionPaths:
    paths = VersionPaths(tmp_path / "it's [кот]" / "versions" / "v 1")
    draw_folder(paths.processed / "2_zorb", 3)
    return paths


@pytest.fixture
def keep() -> Iterator[Callable[[Lease | None], Lease]]:
    """Holds a lease that was got, until the test ends."""
    kept: list[Lease] = []

    def kept_lease(lease: Lease | None) -> Lease:
        assert lease is not None, "the lease is held by another"
        kept.append(lease)
        return lease

    yield kept_lease
    for lease in kept:
        lease.release()
