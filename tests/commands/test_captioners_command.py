from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.test_cli import Say, command_line

CAT = ("it's [a] cat 猫", "v1")


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for stem, colour in (("red [rose]_2", "red"), ("猫", "black")):
        Image.new("RGB", (64, 64), colour).save(folder / f"{stem}.png")
    (folder / "猫.txt").write_text("my cat", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def say(tmp_path_factory: pytest.TempPathFactory, origin: Path) -> Say:
    say = command_line(tmp_path_factory.mktemp("captioners"))
    say("project", "create", CAT[0])
    say("version", "create", *CAT)
    assert say("dataset", "import", *CAT, str(origin)).code == 0
    return say


def test_captioners_are_listed_with_what_is_missing_and_where_it_goes(say, monkeypatch):
    told = {each["name"]: each for each in say("dataset", "captioners", "--json").json}
    assert told["file-name"]["ready"]
    assert not told["endpoint"]["ready"]
    wd = told["wd-v3"]["models"][0]
    assert wd["missing"] == ["model.onnx", "selected_tags.csv"]
    assert wd["folder"].endswith("taggers/SmilingWolf--wd-swinv2-tagger-v3")
    shown = say("dataset", "captioners").out
    assert "florence-community/Florence-2-base" in shown
    assert wd["folder"].replace("SmilingWolf--wd-swinv2-tagger-v3", "<organisation>--<repository>") in shown


def test_originals_are_captioned_and_captions_undone(say):
    words = ("dataset", "caption", *CAT, "--with", "file-name", "--existing", "append", "--join", "; ")
    done = say(*words)
    assert (done.code, "2 captions written." in done.out, "Prepare again" in done.out) == (0, True, True), done
    again = say(*words, "--json")
    assert again.json["message"] == "Every original was captioned already."
    assert "2 captions are again as they were" in say("dataset", "caption", *CAT, "--undo").out


def test_without_a_model_it_says_what_is_missing_and_queues_nothing(say):
    before = len(say("jobs", "--json").json)
    told = say("dataset", "caption", *CAT)
    assert told.code == 1
    assert "With wd-v3: the version has no base model yet" in told.out
    for part in ("model.onnx, selected_tags.csv", "SmilingWolf/wd-swinv2-tagger-v3", "--download"):
        assert part in told.err
    assert len(say("jobs", "--json").json) == before


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--with", "wd"), "There are: wd-v3"),
        (("--with", "file-name", "--threshold", "35"), "from 0 to 1"),
        (("--with", "file-name", "--existing", "merge"), "allowed are ignore, copy, prepend, append"),
        (("--with", "file-name", "--replace", "a"), "old,new"),
        (("--with", "endpoint"), "captions.endpoint="),
        (("--with", "wd-v3=/no/such"), "lacks model.onnx"),
    ],
)
def test_what_can_not_be_is_told_in_words(say, words, told):
    answer = say("dataset", "caption", *CAT, *words)
    assert (answer.code, told in answer.err) == (1, True), answer


def test_the_endpoints_key_is_set_unseen_and_never_shown(say):
    assert "captions.endpoint=" in say("settings", "caption_key=sk-secret").err
    assert say("settings", "captions.endpoint=ftp://x").code == 1
    assert say("settings", "captions.endpoint=http://127.0.0.1:9/v1").code == 0
    shown = say("settings", "caption_key=sk-secret")
    assert (shown.code, "kept for 127.0.0.1:9" in shown.out, "sk-secret" in shown.out) == (0, True, False)
    assert "sk-secret" not in say("settings", "--json").out
    assert say("settings", "caption_key=", "--json").json["caption_key"] == ""
