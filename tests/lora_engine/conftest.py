"""A tiny model with random weights and a few drawn images, which most tests of the engine need."""

from pathlib import Path

import pytest
from PIL import Image

from benchmarks.pocket.blueprint import Blueprint, build
from benchmarks.pocket.single_file import save
from lora_engine.families import sd1
from sd_contract.base_models.base_model import inspect_trainable


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    """An SD1 file of width 8: 1.3 MB, 64 x 64 pixels."""
    path = tmp_path_factory.mktemp("models") / "tiny model.safetensors"
    save(build(Blueprint.of_width(8), seed=1), path, title="tiny")
    return path


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory) -> dict[str, Path]:
    """One random file of width 8 of each family, 64 x 64 pixels, none above 3 MB."""
    folder = tmp_path_factory.mktemp("families")
    for family in ("sd1", "sd2", "sdxl"):
        save(build(Blueprint.of_width(8, family), seed=1), folder / f"{family}.safetensors", title=family)
    return {path.stem: path for path in sorted(folder.iterdir())}


@pytest.fixture(scope="session")
def tiny_base(tiny_model):
    return inspect_trainable(tiny_model)


@pytest.fixture(scope="session")
def tokenizer():
    return sd1.make_tokenizer(None, None)


@pytest.fixture
def dataset(tmp_path) -> Path:
    """A dataset file of four two-coloured images with captions, some of them too high, in batches of two."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number, colour in enumerate(("red", "green", "blue", "white")):
        image = Image.new("RGB", (64, 64 + 32 * (number % 2)), colour)
        image.paste("yellow", (0, 0, 20 + 4 * number, 64))
        image.save(folder / f"{colour}.png")
        (folder / f"{colour}.txt").write_text(f"a {colour} square, flat, plain", encoding="utf-8")
    path = tmp_path / "dataset.toml"
    path.write_text(
        "[general]\ncaption_extension = '.txt'\n[[datasets]]\nresolution = 64\nbatch_size = 2\n"
        f"[[datasets.subsets]]\nimage_dir = '{folder}'\n",
        encoding="utf-8",
    )
    return path
