"""A version with some originals, and what opens a captioner for it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from train_tools.captioners.captioning_process.opening import Opening
from train_tools.captioners.request import CaptionRequest, CaptionWork
from train_tools.captioners.session import Subject
from train_tools.model.captioning import CaptionSettings, Chosen
from train_tools.model.paths import VersionPaths

COLOURS = {"red rose_2": (255, 0, 0), "кот": (0, 255, 0), "it's (3)": (0, 0, 255)}


@pytest.fixture(autouse=True)
def state_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))
    for variable in ("HF_HUB_CACHE", "HF_ENDPOINT", "TRAIN_TOOLS_CAPTION_KEY", "http_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf home"))


@pytest.fixture
def version(tmp_path):
    """With three originals, each of one colour."""
    version = VersionPaths(tmp_path / "projects" / "it's [red]" / "versions" / "v1")
    version.origin.mkdir(parents=True)
    for stem, colour in COLOURS.items():
        Image.new("RGB", (16, 16), colour).save(version.origin / f"{stem}.png")
    return version


@pytest.fixture
def opening(tmp_path, version):
    """Opens a captioner from a folder, on the CPU."""

    def made(folder, name, **settings):
        work = CaptionWork(settings=CaptionSettings(captioners=(Chosen(name=name),), **settings))
        request = CaptionRequest(version=version, work=work, weights=tmp_path, device="cpu")
        return Opening(request=request, folder=folder)

    return made


@pytest.fixture
def gradient(tmp_path):
    """A wide picture whose red grows to the right and whose green grows downwards."""
    red, green = np.meshgrid(np.linspace(0, 255, 40), np.linspace(0, 255, 20))
    pixels = np.stack([red, green, np.full_like(red, 7)], axis=-1).astype(np.uint8)
    return Subject(tmp_path / "gradient.png", Image.fromarray(pixels))
