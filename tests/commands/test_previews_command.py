from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.renderers.scene import write_lora
from tests.test_cli import Say, command_line
from train_tools.app import open_app

POCKET = Path(__file__).parents[2] / "projects_template" / "demo" / "pocket-sd1.safetensors"


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Say:
    """The command line on a version with a grid of one run that has a checkpoint, of which nothing is rendered."""
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))
    say = command_line(tmp_path)
    app = open_app(tmp_path / "outputs")
    app.create_project("zorb")
    app.create_version("zorb", "v1")
    stored = app.versions.settings("zorb", "v1")
    size = replace(stored.preparation, width_px=64, height_px=64)
    small = replace(
        stored.previews, prompts=("a",), weights=(1.0,), seeds=(4,), width_px=64, height_px=64, steps=2
    )
    app.versions.save_settings(
        "zorb", "v1", replace(stored, preparation=size, previews=small, options={}, axes={})
    )
    app.versions.import_images("zorb", "v1", [POCKET.parent / "dataset" / "zorb-01.png"])
    app.versions.prepare("zorb", "v1")
    queued = app.grids.submit("zorb", "v1", {"pretrained_model_name_or_path": str(POCKET), "network_dim": "2"})
    for job in queued.jobs:
        app.jobs.cancel(job)
    (run,) = app.versions.paths("zorb", "v1").trains.iterdir()
    write_lora(run / "zorb-v1.safetensors")
    app.jobs.queue.close()
    return say


def test_what_is_missing_is_said_before_anything_is_rendered(say: Say) -> None:
    assert "Make the missing: 2 images" in say("preview", "zorb", "v1", "--count").out
    varied = say(
        "preview", "zorb", "v1", "--count", "--vary", "sampler=Euler a,DPM++ 2M Karras", "--vary", "steps=2,3"
    )
    assert "Make the missing: 8 images" in varied.out
    assert "Make the missing: 2 images" in say("matrix", "zorb", "v1").out


def test_pictures_are_rendered_shown_taken_along_and_deleted(say: Say, tmp_path: Path) -> None:
    like = "a cat <lora:x:1>\nSteps: 3, Sampler: Euler, CFG scale: 4, Seed: 5, Size: 64x64"
    rendered = say("preview", "zorb", "v1", "--like", like, "--columns", "seed,weight")
    assert rendered.code == 0, rendered.err
    assert "<lora:x:1> was taken out" in rendered.out
    shown = say("matrix", "zorb", "v1", "--to", str(tmp_path / "m.html"), "--json").json
    assert [cell["rendered"] for cell in shown["cells"]] == [True, True]
    assert shown["cells"][1]["picture"]["prompt"] == "a cat" and shown["missing"]["pictures"] == 0
    assert "data:image/webp" in (tmp_path / "m.html").read_text(encoding="utf-8")
    assert "1 picture deleted" in say("matrix", "zorb", "v1", "--delete", "1,0").out
    assert "1 picture deleted" in say("matrix", "zorb", "v1", "--delete-all").out


def test_a_wrong_word_is_one_sentence(say: Say) -> None:
    for words, sentence in (
        (("--vary", "nothing=1"), "nothing that previews can vary"),
        (("--vary", "steps"), "a name and values are wanted"),
        (("--sampler", "magic"), "'magic' is not known"),
        (("--like", "hello"), "This is no infotext"),
        (("--now", "none"), "There is no run 'none'"),
    ):
        said = say("preview", "zorb", "v1", *words)
        assert said.code == 1 and sentence in said.err, words
    assert "a row and a column are wanted" in say("matrix", "zorb", "v1", "--delete", "1").err
