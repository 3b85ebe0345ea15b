"""What stages by concept teach the pocket model: each file its own keyword's colour (S0-35)."""

from __future__ import annotations

from statistics import mean

import numpy as np
import pytest
import torch

from benchmarks.pocket.measure import colour_share
from lora_engine.output.reporting import Reporter
from lora_engine.recipes.multi_stage import train_stages
from lora_engine.staged_job import read_staged_job
from tests.lora_engine.lessons import MIDDLE, POCKET, Drawing, School, circle_on, subset, write_drawings

KEYWORDS = {"red": "warm", "green": "cold"}


@pytest.fixture(scope="module")
def school(tmp_path_factory) -> School:
    """Circles of two colours have been taught it as one thing, and then each colour by its keyword."""
    torch.set_num_threads(1)
    school = School(tmp_path_factory.mktemp("concepts"))
    chance = np.random.default_rng(1)
    colours = [colour for _ in range(8) for colour in KEYWORDS]
    drawings = [Drawing(pixels=circle_on("white", c, chance)[0], caption=f"a dax, {KEYWORDS[c]}") for c in colours]
    images = write_drawings(school.folder / "images", drawings)
    words = [
        *("--pretrained_model_name_or_path", POCKET, "--dataset_config", school.dataset("dax", [subset(images)])),
        *("--output_dir", school.folder, "--output_name", "dax", "--max_train_steps", 100, "--seed", 1),
        *("--network_dim", 16, "--network_alpha", 16, "--learning_rate", 2e-3, "--cache_latents"),
        *("--concept_a_keywords", "warm", "--concept_b_keywords", "cold"),
        *("--stage1_share", 0.2, "--stage2_lr_scale", 2),
    ]
    train_stages(read_staged_job([str(word) for word in words]), Reporter(None))
    return school


def share(school, stage, colour):
    """How much of the middle of pictures of the thing, without any keyword, is of a colour."""
    pictures = school.paint(
        school.folder / f"dax_{stage}.safetensors", "a dax on a white background", seeds=range(1, 9)
    )
    return mean(colour_share(picture, colour, MIDDLE) for picture in pictures)


def test_each_concepts_file_paints_the_thing_in_its_own_colour(school):
    """Measured: 1.00 of A's pictures are red and 1.00 of B's are green, none the other way round."""
    assert share(school, "concept_A", "red") > 0.8
    assert share(school, "concept_B", "green") > 0.8
    assert share(school, "concept_A", "green") == share(school, "concept_B", "red") == 0
