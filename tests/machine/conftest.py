"""Stand-ins for the system's programs: a PATH with nothing else on it, so that no test can reach the real ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.machine.stand_ins import StandIns


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIns:
    """A PATH that holds only what the test puts there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return StandIns(folder)
