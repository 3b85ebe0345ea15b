"""A site to post to, and nothing of the tester's own environment in the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.follow_ups.web import Site, site
from tests.machine.stand_ins import StandIns
from tests.runs.conftest import outputs, run, version, write_lora

__all__ = ["outputs", "run", "version", "write_lora"]


@pytest.fixture(autouse=True)
def own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("TRAIN_TOOLS_WEBHOOK", raising=False)
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))


@pytest.fixture
def web() -> Iterator[Site]:
    with site() as served:
        yield served


@pytest.fixture
def other_web() -> Iterator[Site]:
    with site() as served:
        yield served


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIns:
    """A PATH that holds only what the test puts there."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return StandIns(tmp_path / "bin")
