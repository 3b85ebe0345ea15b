"""A queue and a place for leases and slots that belong to one test alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

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
