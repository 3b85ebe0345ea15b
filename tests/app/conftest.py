"""A version of two pictures, ready to be trained, in an app whose trainer only pretends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from tests.faults.stand_in import stand_in_app
from train_tools.app import App
from train_tools.model.draft import Draft

POCKET = Path(__file__).parents[2] / "projects_template" / "demo" / "pocket-sd1.safetensors"
PROJECT, VERSION = "it's [red] кот", "v1"


def draw_version(app: App, pictures: Path) -> None:
    """Makes the version, with two prepared pictures of 64x64."""
    app.create_project(PROJECT)
    app.create_version(PROJECT, VERSION)
    pictures.mkdir()
    for number in range(2):
        Image.new("RGB", (64, 64), (90 * number, 80, 120)).save(pictures / f"{number}.png")
        (pictures / f"{number}.txt").write_text(f"a zorb, number {number}", encoding="utf-8")
    settings = app.versions.settings(PROJECT, VERSION)
    size = replace(settings.preparation, width_px=64, height_px=64, repeats=4, mirrored_copies=False)
    app.versions.save_settings(PROJECT, VERSION, replace(settings, preparation=size, options={}, axes={}))
    app.versions.import_images(PROJECT, VERSION, [pictures])
    app.versions.prepare(PROJECT, VERSION)


def submit(app: App, grid: str | None = None, **options: str) -> tuple[int, ...]:
    """Queues runs and returns their jobs."""
    wanted = {"pretrained_model_name_or_path": str(POCKET), "network_dim": "8", **options}
    return app.grids.submit(PROJECT, VERSION, Draft(assignments=wanted, grid=grid)).jobs


def train(app: App) -> None:
    worker = app.jobs.worker()
    worker.most_losses = 1
    assert worker.run(until=lambda: not app.jobs.queue.waiting())


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))
    app = stand_in_app(tmp_path / "outputs", seconds_per_step=0.001)
    draw_version(app, tmp_path / "pictures")
    yield app
    app.jobs.queue.close()
