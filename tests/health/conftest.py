from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.jobs.nvidia_smi import NvidiaSmi


@pytest.fixture
def no_drivers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all there is on PATH: programs of a driver are where a test puts them."""
    folder = tmp_path / "bin of drivers"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr("train_tools.health.graphics.PLACES", {})
    return folder


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NvidiaSmi:
    made = NvidiaSmi(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{made.folder}{os.pathsep}{os.environ['PATH']}")
    return made
