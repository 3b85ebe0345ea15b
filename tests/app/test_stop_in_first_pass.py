"""Stopping a training on a pair in its first pass, with the real trainer: what is left is the copy."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from PIL import Image

from tests.app.conftest import POCKET
from train_tools.app import open_app
from train_tools.model.draft import Draft
from train_tools.model.job import JobState, Stop

LONG = {"mode": "difference", "network_dim": "2", "max_train_steps": "5000", "resolution": "64,64"}


def test_a_first_pass_stops_and_saves_its_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))
    pair = {"original_image": tmp_path / "face.png", "target_image": tmp_path / "smile.png"}
    for file, colour in zip(pair.values(), ("red", "blue"), strict=True):
        Image.new("RGB", (64, 64), colour).save(file)
    app = open_app(tmp_path / "outputs")
    app.create_project("pair")
    app.create_version("pair", "v1")
    wanted = {"pretrained_model_name_or_path": str(POCKET), **LONG, **{name: str(pair[name]) for name in pair}}
    (job,) = app.grids.submit("pair", "v1", Draft(assignments=wanted)).jobs
    page = threading.Thread(target=_stop_when_it_trains, args=(tmp_path / "outputs", job))
    page.start()
    app.jobs.worker().run(until=lambda: not app.jobs.queue.waiting())
    page.join()
    ended = app.jobs.get(job)
    kept = [file.name for file in app.versions.paths("pair", "v1").folder.glob("trains/*/*.safetensors")]
    app.jobs.queue.close()

    assert ended.state is JobState.CANCELLED
    assert 0 < ended.step < 5000
    assert [name.startswith("pair-v1_copy_") for name in kept] == [True]


def _stop_when_it_trains(outputs: Path, job: int) -> None:
    other = open_app(outputs)
    while not other.jobs.get(job).step and not other.jobs.get(job).state.finished:
        time.sleep(0.05)
    other.jobs.cancel(job, Stop.STEP)
    other.jobs.queue.close()
