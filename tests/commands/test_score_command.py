"""Scores at the command line: a table, reasons, JSON; with a checkpoint that is there and nothing measured."""

from __future__ import annotations

import pytest
from PIL import Image

from tests.lora_engine.lessons import POCKET
from tests.renderers.scene import write_lora
from tests.test_cli import Say, command_line

VERSION = ("it's [a] zorb 猫", "v1")


@pytest.fixture(scope="module")
def say(tmp_path_factory: pytest.TempPathFactory) -> Say:
    """A grid of two runs, one of which has no effect."""
    source = tmp_path_factory.mktemp("pictures")
    Image.new("RGB", (64, 64), "red").save(source / "red.png")
    home = tmp_path_factory.mktemp("scores")
    say = command_line(home)
    say("project", "create", VERSION[0])
    say("version", "create", *VERSION)
    say("dataset", "import", *VERSION, str(source), "--not-mirrored", "--width", "64", "--height", "64")
    made = say("submit", *VERSION, "--base-model", str(POCKET), "--set", "network_dim=8,16", "--anyway", "--json")
    assert made.code == 0, made.err
    plan = say("plan", *VERSION, "--json").json
    for strength, run in zip((0.005, 0.0), plan["runs"], strict=True):
        (folder,) = home.rglob(f"trains/{run['name']}")
        write_lora(folder / f"lora-{strength:g}.safetensors", strength=strength)
    return say


def test_the_table_names_what_has_no_effect(say: Say) -> None:
    shown = say("score", *VERSION, "--with", "effect")
    assert shown.code == 0, shown.err
    assert "no effect" in shown.out
    assert "--because no-effect" in shown.out
    assert "Nothing speaks for one checkpoint" in shown.out


def test_json_has_scores_reasons_and_what_is_unmeasured(say: Say) -> None:
    told = say("score", *VERSION, "--no-measure", "--json").json
    remarks = {each["name"]: each["scores"]["effect"]["remarks"] for each in told["checkpoints"]}
    assert remarks == {"lora-0.005": [], "lora-0": ["no effect"]}
    assert told["unmeasured"] == 3
    assert told["suggestion"] is None


def test_a_scorer_that_there_is_not_is_refused_with_those_there_are(say: Say) -> None:
    refused = say("score", *VERSION, "--with", "beauty")
    assert refused.code == 1
    assert "fixed-noise" in refused.err
