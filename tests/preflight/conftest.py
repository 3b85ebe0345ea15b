"""A version of prepared pictures that both trainers could train: ours, and a stand-in for kohya's."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from tests.app.conftest import POCKET, PROJECT, VERSION, draw_version
from tests.engines.kohya_checkout import lay_out
from train_tools.app import App, open_app
from train_tools.model.draft import Draft
from train_tools.model.finding import Finding, Level
from train_tools.model.preflight import Preflight

USUAL = {"max_train_epochs": "10", "unet_lr": "1e-4"}


class Desk:
    """The version, and a look at grids of it."""

    def __init__(self, app: App) -> None:
        self.app = app

    @property
    def folder(self) -> Path:
        """Where the training images lie."""
        [folder] = self.app.versions.paths(PROJECT, VERSION).processed.iterdir()
        return folder

    @property
    def regularisation(self) -> Path:
        return self.app.versions.paths(PROJECT, VERSION).regularisation

    def look(self, engine: str = "bundled", **options: str) -> Preflight:
        wanted = {"pretrained_model_name_or_path": str(POCKET), **USUAL, **options}
        return self.app.grids.preflight(PROJECT, VERSION, Draft(assignments=wanted, engine=engine))

    def found(self, words: str, engine: str = "bundled", **options: str) -> Finding:
        """The one finding that says so."""
        findings = self.look(engine, **options).findings
        [finding] = [each for each in findings if words in f"{each.message} {each.cure}"]
        return finding

    def levels(self, engine: str = "bundled", **options: str) -> set[Level]:
        return {finding.level for finding in self.look(engine, **options).findings}

    def with_repeats(self, repeats: int) -> None:
        settings = self.app.versions.settings(PROJECT, VERSION)
        changed = replace(settings.preparation, repeats=repeats)
        self.app.versions.save_settings(PROJECT, VERSION, replace(settings, preparation=changed))
        self.app.versions.prepare(PROJECT, VERSION)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))
    app = open_app(tmp_path / "outputs")
    draw_version(app, tmp_path / "pictures")
    app.engines.add("kohya", lay_out(tmp_path / "it's sd-scripts"), Path(sys.executable))
    yield Desk(app)
    app.jobs.queue.close()


@pytest.fixture
def unsigned(tmp_path: Path) -> Path:
    """The demo's base model without a word about what it predicts."""
    path = tmp_path / "unsigned.safetensors"
    save_file(load_file(POCKET), path)
    return path
