"""What becomes of checkpoints, as people and scripts meet it. The files are small and were never trained."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.test_cli import AWKWARD, VERSION, Say, command_line, refused

NAMES = ("it's-v1-000002", "it's-v1-000004", "it's-v1")
HOSTILE = {
    "ss_steps": "2",
    "ss_epoch": "1",
    "ss_training_comment": "[bold]\x1b[2J<script>",
    "modelspec.title": "x" * 9000,
}


@pytest.fixture
def say(tmp_path: Path) -> Say:
    """A command line on a version with one run of three checkpoints."""
    say = command_line(tmp_path)
    say("project", "create", AWKWARD)
    say("version", "create", *VERSION)
    run = Path(say("version", "list", AWKWARD, "--json").json[0]["folder"]) / "trains" / "run-1"
    run.mkdir(parents=True)
    (run / "run.toml").write_text("")
    for number, name in enumerate(NAMES):
        save_file({"a.alpha": np.full((64,), number, np.float32)}, run / f"{name}.safetensors", HOSTILE)
    return say


def listed(say: Say) -> dict[str, dict]:
    return {each["name"]: each for each in say("checkpoints", "list", *VERSION, "--json").json}


def test_one_is_rated_noted_pinned_and_listed(say):
    assert say("checkpoints", "rate", *VERSION, NAMES[0], 4).code == 0
    assert say("checkpoints", "note", *VERSION, f"run-1/{NAMES[0]}", "hands [bold]are good").code == 0
    assert say("checkpoints", "pin", *VERSION, NAMES[0]).code == 0
    one = listed(say)[NAMES[0]]
    assert (one["rating"], one["pinned"], one["notes"]) == (4, True, "hands [bold]are good")
    told = say("checkpoints", "list", *VERSION).out
    assert "****" in told and "pinned" in told
    say("checkpoints", "pin", *VERSION, NAMES[0], "--off")
    assert not listed(say)[NAMES[0]]["pinned"]
    refused(say("checkpoints", "rate", *VERSION, NAMES[0], 6), "1 to 5 stars")
    refused(say("checkpoints", "show", *VERSION, "nothing"), "no checkpoint 'nothing'", "checkpoints list")


def test_details_never_move_the_terminals_cursor(say):
    told = say("checkpoints", "show", *VERSION, NAMES[0])
    assert told.code == 0 and "\x1b" not in told.out
    assert "[bold]" in told.out and "<script>" in told.out
    assert len(say("checkpoints", "show", *VERSION, NAMES[0], "--json").json["tensors_sha256"]) == 64


def test_keep_says_first_and_moves_then_and_a_token_brings_back(say, tmp_path):
    scores = tmp_path / "scores.json"
    scores.write_text(json.dumps({f"run-1/{NAMES[1]}": 0.9, f"run-1/{NAMES[0]}": 0.2}))
    asked = ("checkpoints", "keep", *VERSION, "--best", 1, "--scores", scores)
    told = say(*asked)
    assert f"run-1/{NAMES[0]}" in told.out and "Nothing was moved" in told.out
    assert len(listed(say)) == 3
    moved = say(*asked, "--yes", "--json").json
    assert moved["going"] == [f"run-1/{NAMES[0]}"] and moved["freed_bytes"] > 0
    assert set(listed(say)) == {NAMES[1], NAMES[2]}
    assert moved["token"] in say("checkpoints", "trashed", *VERSION).out
    refused(say("project", "restore", moved["token"]), "checkpoints restore")
    assert NAMES[0] in say("checkpoints", "restore", moved["token"]).out
    assert len(listed(say)) == 3
    token = say("checkpoints", "trash", *VERSION, NAMES[0], "--json").json["token"]
    assert say("checkpoints", "discard", token).code == 1  # nobody answers
    assert say("checkpoints", "discard", token, "--yes").code == 0
    refused(say("checkpoints", "restore", token), "in the trash")
    for text in ("[]", "{", '{"a": "x"}'):
        scores.write_text(text)
        refused(say(*asked), "RUN/NAME")
    refused(say("checkpoints", "keep", *VERSION, "--no-finals"), "which are to stay")
    refused(say("checkpoints", "keep", *VERSION, "--by", "step"), "How many of the best by step")


def test_metadata_are_edited_and_undone(say):
    edited = say(
        "checkpoints", "edit", *VERSION, NAMES[0], "--set", "ss_training_comment=a=b", "--unset", "modelspec.title"
    )
    assert edited.code == 0 and "Edit 1" in edited.out
    told = say("checkpoints", "show", *VERSION, NAMES[0], "--json").json
    assert told["metadata"]["ss_training_comment"] == "a=b" and "modelspec.title" not in told["metadata"]
    assert "undone" in say("checkpoints", "edit", *VERSION, NAMES[0], "--undo").out
    refused(say("checkpoints", "edit", *VERSION, NAMES[0], "--undo"), "nothing is to be undone")
    refused(say("checkpoints", "edit", *VERSION, NAMES[0], "--set", "x"), "KEY=TEXT")


def test_one_is_copied_and_exported(say, tmp_path):
    lora = tmp_path / "models Lora"
    lora.mkdir()
    made = say("checkpoints", "copy", *VERSION, NAMES[0], "--to", lora, "--weight", "0.8", "--json").json
    assert Path(made["path"]).is_file()
    assert json.loads(Path(made["beside"][0]).read_text(encoding="utf-8"))["preferred weight"] == 0.8
    assert "It is there already" in say("checkpoints", "copy", *VERSION, NAMES[0], "--to", lora).out
    linked = say("checkpoints", "copy", *VERSION, NAMES[0], "--to", lora, "--name", "zorb", "--link")
    assert "Linked" in linked.out and "<lora:zorb:1>" in linked.out
    refused(say("checkpoints", "copy", *VERSION, NAMES[0]), "copies.folder")
    assert say("checkpoints", "export", *VERSION, NAMES[0], tmp_path, "--name", "out").code == 0
    assert (tmp_path / "out" / "out.txt").is_file()
    refused(say("checkpoints", "export", *VERSION, NAMES[0], tmp_path, "--name", "out"), "there already")
