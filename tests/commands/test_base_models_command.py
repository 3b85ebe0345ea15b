from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.test_cli import POCKET, Say, command_line

CAT = ("it's [a] cat 猫", "v1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "a, [b] 猫"
    folder.mkdir()
    shutil.copy(POCKET, folder / "anime zorb.safetensors")
    (folder / "broken.safetensors").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def say(folder: Path) -> Say:
    say = command_line(folder.parent)
    say("project", "create", CAT[0])
    say("version", "create", *CAT)
    said = say("settings", f'models.folders="{folder}"', "--json")
    assert said.json == {"models.folders": [str(folder)]}
    return say


def test_models_are_listed_with_what_they_are(say, folder):
    listed = say("models", "list")
    assert all(word in listed.out for word in ("anime", "zorb", "sd1", "tags", "noise", "safetensors"))
    assert [Path(model["path"]).name for model in say("models", "list", "--json").json["models"]] == [
        "anime zorb.safetensors",
        "broken.safetensors",
    ]


def test_a_model_is_shown_with_what_suits_it(say, folder):
    shown = say("models", "show", "anime zorb", "--hash", "--trigger-words", "3", "--json").json
    assert len(shown["model"]["sha256"]) == 64
    assert {each["option"]: each["value"] for each in shown["suggestions"]["options"]}["keep_tokens"] == 3
    assert "booru tagger" in say("models", "show", "anime zorb").out
    broken = say("models", "show", folder / "broken.safetensors")
    assert "can't be trained on" in broken.out


def test_a_style_is_said_and_a_version_takes_the_model(say):
    said = say("models", "style", "anime zorb", "prose", "--project", CAT[0], "--version", CAT[1], "--json").json
    assert said["model"]["style"]["chosen"] is True
    assert said["change"]["after"]["clip_skip"] == 1
    assert "clip_skip" in say("models", "style", "anime zorb", "guess").out


def test_what_can_not_be_is_told(say):
    for words, says in (
        (("style", "anime zorb", "poetry"), "tags, prose or guess"),
        (("style", "anime zorb", "--project", CAT[0]), "both --project and --version"),
        (("show", "nothing"), "no base model 'nothing'"),
        (("style", "broken"), "no safetensors file"),
    ):
        said = say("models", *words)
        assert (said.code, says in said.err) == (1, True), said.err
