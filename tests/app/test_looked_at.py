"""Models that look at previews, as small as they can be, in the job that a user starts: CLIP, DINOv2 and a
tagger."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from tests.captioners import tiny as taggers
from tests.lora_engine.lessons import POCKET
from tests.renderers.scene import write_lora
from tests.scoring import tiny
from train_tools.app import App, open_app
from train_tools.model.draft import Draft
from train_tools.model.job import JobState
from train_tools.model.preview import PreviewSettings
from train_tools.model.score import Score, ScoreTable
from train_tools.previews.picture_file import write_picture

VERSION = ("it's a zorb 猫", "v1")
PROMPT = "a zorb, (red_rose:1.2), blue sky"
LOOKED = ("dino-likeness", "clip-likeness", "adherence", "tag-recall")
COLOURS = {"red": (255, 0, 0), "blue": (0, 0, 255)}
BASE = (0, 255, 0)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """By setting: where each lies."""
    folder = tmp_path_factory.mktemp("mo dels")
    made = {"scores.clip": tiny.clip(folder / "clip"), "scores.dino": tiny.dino(folder / "dino")}
    return {
        **{key: str(place) for key, place in made.items()},
        "scores.tagger": f"wd-v3={taggers.wd(folder / 'wd')}",
    }


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Two runs with a checkpoint each: previews of one are the training image, those of the other are blue."""
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))
    app = open_app(tmp_path / "out puts")
    app.create_project(VERSION[0])
    app.create_version(*VERSION)
    settings = app.versions.settings(*VERSION)
    size = replace(settings.preparation, width_px=64, height_px=64, repeats=1, mirrored_copies=False)
    previews = PreviewSettings(prompts=(PROMPT,), weights=(1.0,), seeds=(1, 2), width_px=64, height_px=64, steps=1)
    app.versions.save_settings(
        *VERSION, replace(settings, preparation=size, previews=previews, options={}, axes={})
    )
    Image.new("RGB", (64, 64), COLOURS["red"]).save(tmp_path / "red.png")
    app.versions.import_images(*VERSION, [tmp_path / "red.png"])
    app.versions.prepare(*VERSION)
    wanted = {"pretrained_model_name_or_path": str(POCKET), "network_dim": "8,16"}
    for job in app.grids.submit(*VERSION, Draft(assignments=wanted, grid="ranks")).jobs:
        app.jobs.cancel(job)
    runs = app.grids.record(*VERSION, "ranks").runs
    for seed, (run, name) in enumerate(zip(runs, COLOURS, strict=True)):
        write_lora(app.versions.paths(*VERSION).run(run).folder / f"{name}.safetensors", seed=seed)
    for cell in app.previews.matrix(*VERSION, "ranks").cells:
        colour = COLOURS[cell.checkpoint.stem] if cell.checkpoint else BASE
        write_picture(cell.file, Image.new("RGB", (64, 64), colour), cell.picture, base_stem="p", lora_stem=None)
    yield app
    app.jobs.queue.close()


def measured(app: App, *, download: bool = False) -> str:
    """What the job says at its end."""
    job = app.scores.start(*VERSION, "ranks", download=download)
    assert job is not None
    assert app.jobs.worker().run(until=lambda: not app.jobs.queue.waiting())
    ended = app.jobs.get(job.id)
    assert ended.state is JobState.DONE, ended.message
    return ended.message


def of(table: ScoreTable, scorer: str) -> dict[str, Score]:
    return {each.name: each.scores[scorer] for each in table.checkpoints if scorer in each.scores}


def test_previews_are_looked_at_once_and_what_is_seen_is_told(app, models):
    app.settings.change(models)
    assert app.scores.table(*VERSION, "ranks").unmeasured == 3 + 3 * 2
    assert measured(app) == "3 losses measured. 6 times previews looked at."
    table = app.scores.table(*VERSION, "ranks", LOOKED)
    for scorer in ("dino-likeness", "clip-likeness"):
        found = of(table, scorer)
        assert found["red"].value == pytest.approx(1.0, abs=1e-5), "it is the training image"
        assert found["blue"].value < 0.999
        assert found["red"].details["base"] == found["blue"].details["base"] < 0.999
        assert "2 previews 1.00 alike to the training images" in found["red"].evidence
    adherence = of(table, "adherence")
    assert adherence["red"].value != adherence["blue"].value
    tags = of(table, "tag-recall")
    assert {name: score.value for name, score in tags.items()} == {"red": 0.5, "blue": 0.5}
    assert tags["red"].details == {"base": 0.0, "missed": {"blue sky": 2}}
    assert "finds 2 of 4 tags of the prompts on 2 previews (0% on those of the base model)" in tags["red"].evidence
    assert "missed most: blue sky" in tags["red"].evidence
    assert table.suggestion.path.stem == "red"
    assert app.scores.start(*VERSION, "ranks") is None, "nothing is looked at twice"


def test_new_previews_are_looked_at_and_other_models_see_for_themselves(app, models):
    app.settings.change({"scores.clip": models["scores.clip"]})
    measured(app)
    settings = app.versions.settings(*VERSION)
    app.versions.save_settings(*VERSION, replace(settings, previews=replace(settings.previews, seeds=(1, 2, 3))))
    cells = app.previews.matrix(*VERSION, "ranks").cells
    new = next(cell for cell in cells if cell.checkpoint is not None and not cell.file.exists())
    write_picture(new.file, Image.new("RGB", (64, 64)), new.picture, base_stem="p", lora_stem=None)
    assert app.scores.table(*VERSION, "ranks").unmeasured == 1
    app.settings.change({"scores.dino": models["scores.dino"]})
    assert app.scores.table(*VERSION, "ranks").unmeasured == 3


def test_without_weights_nothing_is_fetched_and_what_would_help_is_said(app):
    table = app.scores.table(*VERSION, "ranks", LOOKED)
    assert table.unmeasured == 3, "the losses alone"
    reasons = {each.scorer: each.reason for each in table.checkpoints[0].unscored}
    assert set(reasons) == set(LOOKED)
    assert "CLIP is not on this machine" in reasons["adherence"]
    assert "--download" in reasons["dino-likeness"]
    assert "selected_tags.csv" in reasons["tag-recall"]


def test_a_model_that_is_none_is_named_and_keeps_no_other_from_looking(app, models, tmp_path):
    broken = tmp_path / "broken"
    tiny.dino(broken)
    (broken / "model.safetensors").write_bytes(b"nothing")
    app.settings.change({**models, "scores.dino": str(broken), "scores.clip": str(tmp_path / "no where")})
    job = app.scores.start(*VERSION, "ranks")
    assert app.jobs.worker().run(until=lambda: not app.jobs.queue.waiting())
    ended = app.jobs.get(job.id)
    assert ended.state is JobState.FAILED
    assert f"{broken} can't be loaded as Dinov2Model" in ended.message
    table = app.scores.table(*VERSION, "ranks", LOOKED)
    assert set(of(table, "tag-recall")) == set(COLOURS)
    reasons = {each.scorer: each.reason for each in table.checkpoints[0].unscored}
    assert "scores.clip" in reasons["adherence"]
    assert "is no model for clip" in reasons["adherence"]


def test_a_captioner_that_writes_no_tags_is_no_tagger(app):
    app.settings.change({"scores.tagger": "blip"})
    (table, *_) = app.scores.table(*VERSION, "ranks", ["tag-recall"]).checkpoints
    assert "blip writes no tags. Taggers are: wd-v3, deepbooru." in table.unscored[0].reason


def test_agreed_to_models_are_fetched(app, models, monkeypatch):
    from tests.captioners.hub import Hub, serving

    folder = Path(models["scores.dino"])
    hub = Hub("me/dino", {file.name: file.read_bytes() for file in folder.iterdir()})
    app.settings.change({"scores.dino": "me/dino"})
    with serving(hub) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        # The other two would be fetched as well: they are here.
        app.settings.change({key: models[key] for key in ("scores.clip", "scores.tagger")})
        assert "6 times previews looked at" in measured(app, download=True)
    assert (app.outputs.captioners / "me--dino" / "model.safetensors").is_file()
    assert of(app.scores.table(*VERSION, "ranks", ["dino-likeness"]), "dino-likeness")["red"].value > 0.999


def test_stars_speak_for_a_checkpoint_and_against_one(app):
    for name, stars in (("red", 2), ("blue", 5)):
        app.checkpoints.mark(*VERSION, name, rating=stars)
    table = app.scores.table(*VERSION, "ranks", ["stars"])
    totals = {each.name: each.total for each in table.checkpoints}
    assert totals["red"] < 0 < totals["blue"]
    assert table.suggestion.path.stem == "blue"
    assert table.suggestion.reasons == ("You gave it 5 of 5 stars.",)
