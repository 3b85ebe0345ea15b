"""A version with photographs and what is wrong with some of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from train_tools.app import App, open_app
from train_tools.model.paths import VersionPaths

PROJECT, VERSION = "zorb", "v1"


def photograph(number: int, size: tuple[int, int] = (96, 96), base: int = 0) -> Image.Image:
    """Something with edges, texture and colour, another for each number."""
    random = np.random.default_rng(number)
    coarse = Image.fromarray(random.integers(0, 256, (7, 7, 3), dtype=np.uint8)).resize(
        size, Image.Resampling.BICUBIC
    )
    fine = random.integers(-40, 41, (size[1], size[0], 1))
    return Image.fromarray(np.clip(np.asarray(coarse).astype(int) + fine + base, 0, 255).astype(np.uint8))


class Desk:
    """An app with one version, and hands to fill it."""

    def __init__(self, folder: Path) -> None:
        self.app: App = open_app(folder / "outputs")
        self.app.create_project(PROJECT)
        self.app.create_version(PROJECT, VERSION)

    @property
    def paths(self) -> VersionPaths:
        return self.app.versions.paths(PROJECT, VERSION)

    def put(self, image: str, picture: Image.Image, caption: str | None = None) -> Path:
        path = self.paths.processed / image
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)
        if caption is not None:
            path.with_suffix(".txt").write_text(caption, encoding="utf-8")
        return path

    def put_many(self, number: int = 6, folder: str = "10_cat") -> None:
        for each in range(number):
            self.put(f"{folder}/{each}.png", photograph(each), f"cat, number {each}")

    def set(self, **options: object) -> None:
        stored = self.app.versions.settings(PROJECT, VERSION)
        self.app.versions.save_settings(
            PROJECT, VERSION, replace(stored, options={**stored.options, **options}, axes={})
        )

    def options(self) -> dict[str, object]:
        return dict(self.app.versions.settings(PROJECT, VERSION).options)

    def look(self):
        self.app.checks.look(PROJECT, VERSION)
        return self.app.checks.found(PROJECT, VERSION)

    def found(self, check: str):
        """All that was found about one thing, after a look."""
        return [finding for finding in self.look().findings if finding.check == check]

    def cure(self, words: str):
        """Applies the cure that says so."""
        cures = self.app.checks.found(PROJECT, VERSION).cures
        [number] = [place for place, each in enumerate(cures, 1) if words in each.remedy.in_words]
        return self.app.checks.cure(PROJECT, VERSION, number)

    def undo(self):
        return self.app.checks.undo(PROJECT, VERSION)

    def files(self) -> set[str]:
        """All files of the dataset that are the user's."""
        dataset = self.paths.processed.parent
        return {
            path.relative_to(dataset).as_posix()
            for path in dataset.rglob("*")
            if path.is_file() and "checks" not in path.parts and "edits" not in path.parts
        }

    def lines(self) -> list[dict]:
        return [json.loads(line) for line in self.paths.looks.read_text().splitlines() if line]


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))
    made = Desk(tmp_path)
    made.set(resolution="64")
    yield made
    made.app.jobs.queue.close()
