"""Real pictures: photographs of mixed sizes and formats, some of them broken, train and preview."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import skimage.data
from PIL import Image

from tests.end_to_end.conftest import POCKET, CommandLine

BUNDLED = Path(skimage.data.__file__).parent
PHOTOGRAPHS = (
    "astronaut.png", "camera.png", "chelsea.png", "coffee.png", "rocket.jpg", "hubble_deep_field.jpg",
    "no_time_for_that_tiny.gif", "multipage.tif", "logo.png",
)  # fmt: skip


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "my holiday [50%]"
    folder.mkdir()
    for name in PHOTOGRAPHS:
        shutil.copy(BUNDLED / name, folder / name)
    Image.open(BUNDLED / "coffee.png").convert("RGB").save(folder / "КОФЕ.JPG", quality=80)
    Image.open(BUNDLED / "rocket.jpg").save(folder / "rocket two.webp")
    (folder / "rocket two.txt").write_text("a rocket, launch pad", encoding="utf-8")
    whole = (folder / "rocket.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "not a picture.png").write_text("hello", encoding="utf-8")
    return folder


def test_photographs_train_and_preview(command_line: CommandLine, pictures: Path) -> None:
    before = {file.name: file.read_bytes() for file in pictures.iterdir()}
    report = command_line.make_version("holiday", [pictures], "--width", "64", "--height", "96", "--repeats", "1")
    rejected = {Path(entry["source"]).name for entry in report["import"]["rejected"]}
    assert rejected == {"cut.jpg", "not a picture.png"}
    assert report["preparation"]["images"] == len(PHOTOGRAPHS) + 2
    assert {file.name: file.read_bytes() for file in pictures.iterdir()} == before
    submitted = command_line.json(
        "submit", "holiday", "v1", "--wait", "--base-model", str(POCKET),
        "--set", "network_dim=2,4", "--set", "max_train_epochs=1", "--set", "train_batch_size=4",
    )  # fmt: skip
    assert submitted["failed"] is False
    checkpoints = command_line.json("checkpoints", "list", "holiday", "v1")
    assert len(checkpoints) == 2
    assert {checkpoint["step"] for checkpoint in checkpoints} == {3}
    matrix = Path(checkpoints[0]["path"]).parents[2] / "grids" / submitted["grid"] / "matrix.png"
    with Image.open(matrix) as sheet:
        sheet.load()
