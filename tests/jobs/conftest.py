"""A queue and a place for leases and slots that belong to one test alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from train_tools.jobs.lease import Lease
from train_tools.jobs.queue import Queue
from train_tools.model.paths import OutputsPaths


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where leases and slots lie during the test, for the processes it starts as well."""
    folder = tmp_path / "state"
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(folder))
    return folder


@pytest.fixture
def outputs(tmp_path: Path) -> OutputsPaths:
    return OutputsPaths(tmp_path / "outputs" / "train_tools")


@pytest.fixture
def queue(outputs: OutputsPaths) -> Iterator[Queue]:
    opened = Queue(outputs.queue)
    yield opened
    opened.close()


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
