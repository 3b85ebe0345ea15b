from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.engines.kohya_checkout import COMMIT, lay_out
from tests.test_cli import POCKET, Say, command_line, draw_pictures


@pytest.fixture
def say(tmp_path: Path) -> Say:
    return command_line(tmp_path)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return lay_out(tmp_path / "it's [bold] 猫")


def test_a_checkout_is_added_checked_listed_and_removed(say, checkout):
    added = say("engine", "add", "kohya", "--path", checkout, "--python", sys.executable)
    assert added.code == 0, added.err
    assert f"at {COMMIT[:8]}" in added.out
    assert "193 options" in added.out
    checked = say("engine", "check", "kohya", "--json").json
    assert (checked["name"], checked["options"], checked["problem"]) == ("kohya", 193, "")
    assert [engine["name"] for engine in say("engine", "list", "--json").json] == ["bundled", "kohya"]
    assert "it's [bold] 猫" in say("engine", "list").out
    assert "is forgotten" in say("engine", "remove", "kohya").out
    assert [engine["name"] for engine in say("engine", "list", "--json").json] == ["bundled"]


def test_one_that_can_not_train_yet_is_told_and_ends_with_1(say, checkout):
    (checkout / "train_network.py").write_text("import voluptuous_of_nowhere\n", encoding="utf-8")
    said = say("engine", "add", "kohya", "--path", checkout, "--python", sys.executable)
    assert said.code == 1
    assert "It can't train yet" in said.err
    assert "voluptuous_of_nowhere" in said.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("engine", "add", "kohya"), "Give either --path"),
        (("engine", "add", "kohya", "--path", ".", "--ref", "v1"), "Give either --path"),
        (("engine", "add", "kohya", "--path", "nowhere"), "is no checkout of sd-scripts"),
        (("engine", "check", "kohya"), "There is no engine 'kohya'"),
        (("engine", "remove", "bundled"), "There is no engine 'bundled'"),
        (("engine", "allow", "kohya", "x"), "There is no engine 'kohya'"),
        (("engine", "add", "kohya", "--ref", "main", "--url", "nowhere.git"), "Or do it by hand"),
    ],
)
def test_what_can_not_be_done_is_told_in_words(say, words, told):
    said = say(*words)
    assert (said.code, told in said.err) == (1, True), said.err


def test_a_grid_is_planned_for_a_trainer(say, checkout, tmp_path):
    say("engine", "add", "kohya", "--path", checkout, "--python", sys.executable)
    say("project", "create", "cat")
    say("version", "create", "cat", "v1")
    imported = say(
        "dataset", "import", "cat", "v1", draw_pictures(tmp_path / "pictures"), "--width", 64, "--height", 64
    )
    assert imported.code == 0, imported.err
    words = ("cat", "v1", "--base-model", POCKET, "--engine", "kohya", "--set", "validation_split=0.0,0.5")
    planned = say("plan", *words, "--json").json
    assert (planned["engine"], planned["total_runs"]) == ("kohya", 2)
    assert "Trainer: kohya." in say("plan", *words).out
    refused = say("plan", "cat", "v1", "--base-model", POCKET, "--engine", "nobody")
    assert (refused.code, "There is no trainer 'nobody' here" in refused.err) == (1, True)


def test_a_file_is_shown_and_taken_over_with_a_trainers_options(say, checkout, tmp_path):
    say("engine", "add", "kohya", "--path", checkout, "--python", sys.executable)
    say("project", "create", "cat")
    say("version", "create", "cat", "v1")
    file = tmp_path / "config.toml"
    file.write_text("network_dim = 8\nddp_timeout = 5\n", encoding="utf-8")
    assert "1 options.\n" in say("config", "import", file).out
    shown = say("config", "import", file, "--engine", "kohya")
    assert "2 options of the trainer kohya." in shown.out
    taken = say("config", "import", file, "cat", "v1", "--engine", "kohya", "--json").json
    assert taken["config"]["engine"] == "kohya"
    assert "The trainer is kohya now; it was bundled." in taken["change"]["notes"]
    again = say("config", "import", file, "cat", "v1", "--json").json["change"]
    assert again["before"] == again["after"]
    assert "ddp_timeout = 5" in say("config", "export", "cat", "v1").out
