import tomllib
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.pocket.measure import shows_zorb
from sd_contract.base_models.base_model import inspect_trainable
from sd_contract.options import check

DEMO = Path(__file__).parents[2] / "projects_template" / "demo"


def demo():
    return tomllib.loads((DEMO / "demo.toml").read_text(encoding="utf-8"))


def test_the_demo_names_files_that_are_there():
    base = inspect_trainable(DEMO / demo()["base_model"])

    assert len(list((DEMO / demo()["dataset"]).glob("*.png"))) == 24
    assert (demo()["preparation"]["width_px"], demo()["preparation"]["height_px"]) == (64, 64)
    assert base.resolution == 64


def test_every_shipped_picture_is_a_zorb_with_its_caption():
    for path in (DEMO / "dataset").glob("*.png"):
        with Image.open(path) as image:
            assert shows_zorb(np.asarray(image.convert("RGB")))
        assert path.with_suffix(".txt").read_text(encoding="utf-8").startswith("a zorb on a ")


def test_the_demo_is_four_runs_of_240_steps():
    options, axes, preparation = demo()["options"], demo()["axes"], demo()["preparation"]
    steps = 24 * preparation["repeats"] * options["max_train_epochs"] // options["train_batch_size"]

    assert np.prod([len(values) for values in axes.values()]) == 4
    assert steps == 240


def test_the_engine_knows_every_option_of_the_demo():
    for name, value in demo()["options"].items():
        assert check(name, value) == value
    for name, values in demo()["axes"].items():
        assert [check(name, value) for value in values] == values
