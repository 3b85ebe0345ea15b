"""The whole way of a large dataset: thousands of pictures and an awkward set imported, prepared, tagged, undone.

    python -m benchmarks.workshop [--pictures 5000]

Prints what each step took and did, writes benchmarks/results/workshop.json, and fails when a source or an original
has changed, a second preparation gives other bytes, or an undo leaves another caption than there was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from train_tools.app import App, open_app
from train_tools.model.captions import CaptionEdit
from train_tools.model.preparation import Preparation

RESULTS = Path(__file__).parent / "results" / "workshop.json"
FORMATS = ("png", "jpg", "JPG", "webp", "bmp")
SIDE_PX = 192
EACH = 50
"""Files of each awkward kind."""
T = TypeVar("T")


def make_pile(folder: Path, pictures: int) -> None:
    """Pictures in concept folders, half of them with captions; beside them, what is none or is there twice."""
    random = np.random.default_rng(1)
    for number in range(pictures):
        concept = folder / f"{number % 3 + 1}_class{number % 3}"
        concept.mkdir(parents=True, exist_ok=True)
        small = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        picture = Image.fromarray(small).resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC)
        picture.save(concept / f"{number:05}.{FORMATS[number % len(FORMATS)]}")
        if number % 2:
            (concept / f"{number:05}.txt").write_text(f"1girl, picture {number}, hat", encoding="utf-8")
    awkward = folder / "awkward"
    awkward.mkdir()
    first = folder / "1_class0" / "00000.png"
    whole = first.read_bytes()
    for number in range(EACH):
        (awkward / f"page{number}.jpg").write_bytes(b"<html>")
        (awkward / f"layers{number}.psd").write_bytes(b"8BPS")
        (awkward / f"cut{number}.png").write_bytes(whole[: len(whole) // 2 + number])
        shutil.copy(first, awkward / f"копия 🐈 {number}.png")
        Image.new("CMYK", (96, 96 + number), (0, 90, 90, number)).save(awkward / f"print{number}.jpg")
        Image.fromarray(np.full((96 + number, 96), 40_000 + number, np.uint16)).save(awkward / f"deep{number}.png")


def hashes(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def walked(app: App, pile: Path) -> dict[str, dict[str, float]]:
    """Each step's seconds and figures."""
    steps: dict[str, dict[str, float]] = {}

    def step(name: str, action: Callable[[], T], **figures: Callable[[T], float]) -> T:
        begun = time.perf_counter()
        done = action()
        steps[name] = {"seconds": time.perf_counter() - begun}
        steps[name] |= {figure: of(done) for figure, of in figures.items()}
        return done

    app.create_project("many")
    app.create_version("many", "v1")
    app.versions.change_preparation("many", "v1", Preparation(width_px=128, height_px=128))
    version = app.versions.paths("many", "v1")
    sources = hashes(pile)
    for name in ("imported", "imported again"):
        step(
            name,
            lambda: app.versions.import_images("many", "v1", [pile]),
            new=lambda report: report.images,
            captions=lambda report: report.captions,
            there=lambda report: len(report.already_there),
            left_out=lambda report: len(report.rejected),
            alike=lambda report: len(report.near_duplicates),
        )
    originals = hashes(version.origin)
    step("prepared", lambda: app.versions.prepare("many", "v1"), images=lambda report: report.images)
    made = hashes(version.processed)
    step("prepared again", lambda: app.versions.prepare("many", "v1"), images=lambda report: report.images)
    assert hashes(version.processed) == made, "a second preparation gives other bytes"
    step("listed", lambda: app.captions.images("many", "v1"), images=len)
    step(
        "tagged",
        lambda: app.captions.edit("many", "v1", CaptionEdit(kind="add", put="zorb", front=True)),
        captions=lambda outcome: outcome.changed,
    )
    assert hashes(version.processed) != made, "nothing was tagged"
    step("undone", lambda: app.captions.undo("many", "v1"), captions=lambda outcome: outcome.changed)
    assert hashes(version.processed) == made, "an undo left other captions"
    assert hashes(version.origin) == originals, "an original has changed"
    assert hashes(pile) == sources, "a source has changed"
    return steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=5000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("TRAIN_TOOLS_BENCHMARKS")) as place:
        os.environ["TRAIN_TOOLS_STATE"] = str(Path(place, "state"))
        pile = Path(place, "pile")
        make_pile(pile, asked.pictures)
        steps = walked(open_app(Path(place, "outputs")), pile)
    for name, figures in steps.items():
        told = ", ".join(f"{figure} {value:,.0f}" for figure, value in figures.items() if figure != "seconds")
        print(f"{name:16} {figures['seconds']:7.1f} s  {told}")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"format": 1, "pictures": asked.pictures, "steps": steps}, indent=1) + "\n")


if __name__ == "__main__":
    main()
