"""Which checkpoint: three runs on the pocket model, trained well, too little and too hard, and what the scorers
that need no download say of them. The job that measures is the real one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from tests.lora_engine.lessons import POCKET, ZORBS, School, subset
from tests.renderers.scene import write_lora
from train_tools.app import App, open_app
from train_tools.errors import ChangedMeanwhileError, NotFoundError, OptionValueError
from train_tools.model.draft import Draft
from train_tools.model.job import JobState
from train_tools.model.preview import PreviewSettings
from train_tools.model.score import Preference, Remark, ScoreTable
from train_tools.previews.picture_file import write_picture

PROJECT, VERSION = "it's a zorb 猫", "v1"
PROMPT = "a zorb on a white background"
LESSONS = {"good": (4e-3, 40), "undertrained": (4e-3, 4), "burnt": (3e-2, 20)}
"""Name -> learning rate and steps."""


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> School:
    torch.set_num_threads(1)
    return School(tmp_path_factory.mktemp("school"))


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, school: School) -> Iterator[App]:
    """A grid of three runs, whose checkpoints are put into their folders as trainers do."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path_factory.mktemp("state")))
        app = open_app(tmp_path_factory.mktemp("home") / "out puts")
        app.create_project(PROJECT)
        app.create_version(PROJECT, VERSION)
        settings = app.versions.settings(PROJECT, VERSION)
        size = replace(settings.preparation, width_px=64, height_px=64, repeats=1, mirrored_copies=False)
        previews = PreviewSettings(
            prompts=(PROMPT,), weights=(1.0,), seeds=(1, 2), width_px=64, height_px=64, steps=15, guidance=5.0
        )
        app.versions.save_settings(
            PROJECT, VERSION, replace(settings, preparation=size, previews=previews, options={}, axes={})
        )
        app.versions.import_images(PROJECT, VERSION, [ZORBS])
        app.versions.prepare(PROJECT, VERSION)
        wanted = {"pretrained_model_name_or_path": str(POCKET), "learning_rate": "1e-3,2e-3,3e-3"}
        for job in app.grids.submit(PROJECT, VERSION, Draft(assignments=wanted, grid="rates")).jobs:
            app.jobs.cancel(job)
        paths = app.versions.paths(PROJECT, VERSION)
        runs = app.grids.record(PROJECT, VERSION, "rates").runs
        for run, (name, (rate, steps)) in zip(runs, LESSONS.items(), strict=True):
            lora = school.train(
                name, [subset(ZORBS)], "--network_args", "conv_dim=8", "conv_alpha=8", "--learning_rate", rate,
                steps=steps,
            )  # fmt: skip
            shutil.copy(lora, paths.run(run).folder / f"{name}.safetensors")
        yield app
        app.jobs.queue.close()


@pytest.fixture(scope="module")
def measured(app: App) -> App:
    job = app.scores.start(PROJECT, VERSION, "rates")
    assert job is not None
    assert (job.kind, job.total_steps) == ("score", 4)
    assert app.jobs.worker().run(until=lambda: not app.jobs.queue.waiting())
    ended = app.jobs.get(job.id)
    assert (ended.state, ended.message) == (JobState.DONE, "4 losses measured.")
    return app


@pytest.fixture(scope="module")
def pictured(measured: App, school: School) -> App:
    for cell in measured.previews.matrix(PROJECT, VERSION, "rates").cells:
        (image,) = school.paint(cell.checkpoint, PROMPT, seeds=[cell.picture.seed])
        write_picture(cell.file, image, cell.picture, base_stem="pocket", lora_stem=None)
    return measured


def order(table: ScoreTable) -> list[str]:
    ranked = [each for each in table.checkpoints if each.place is not None]
    return [each.name for each in sorted(ranked, key=lambda each: each.place)]


def of(table: ScoreTable, scorer: str) -> dict[str, object]:
    return {each.name: each.scores[scorer] for each in table.checkpoints if scorer in each.scores}


def test_nothing_is_suggested_where_nothing_was_said(app):
    table = app.scores.table(PROJECT, VERSION, "rates", ["votes"])
    assert (table.suggestion, order(table)) == (None, [])
    assert "Nobody has voted" in table.checkpoints[0].unscored[0].reason


def test_the_loss_with_fixed_noise_ranks_good_before_undertrained_before_burnt(measured):
    table = measured.scores.table(PROJECT, VERSION, "rates", ["fixed-noise"])
    assert order(table) == ["good", "undertrained", "burnt"]
    scores = of(table, "fixed-noise")
    assert scores["good"].value > scores["undertrained"].value + 0.2 > 0.2
    assert scores["burnt"].value < -0.5
    assert scores["burnt"].remarks == (Remark.BURNT,)
    assert table.suggestion.path.stem == "good"
    assert any("trained on speak for it" in doubt for doubt in table.suggestion.doubts)


def test_only_what_is_missing_is_measured_and_what_cannot_be_is_named(measured):
    """A file of losses that is torn, and a checkpoint that fits no such model."""
    assert measured.scores.start(PROJECT, VERSION, "rates") is None
    paths = measured.versions.paths(PROJECT, VERSION)
    kept = sorted((paths.scores / "fixed-noise").glob("*.json"))
    assert len(kept) == 4
    before = json.loads(kept[0].read_text(encoding="utf-8"))["losses"]
    kept[0].write_text("torn {", encoding="utf-8")
    run = measured.grids.record(PROJECT, VERSION, "rates").runs[0]
    odd = write_lora(paths.run(run).folder / "odd.safetensors", module="lora_unet_no_such_layer")
    try:
        job = measured.scores.start(PROJECT, VERSION, "rates")
        assert job.total_steps == 2
        assert measured.scores.start(PROJECT, VERSION, "rates").id == job.id, "it waits already"
        assert measured.jobs.worker().run(until=lambda: not measured.jobs.queue.waiting())
        ended = measured.jobs.get(job.id)
        assert ended.message == "1 losses measured. 1 checkpoints could not be measured."
        after = json.loads(kept[0].read_text(encoding="utf-8"))["losses"]
        assert after == before, "the same noise, the same loss"
        table = measured.scores.table(PROJECT, VERSION, "rates", ["fixed-noise"])
        reasons = {each.name: each.unscored for each in table.checkpoints}
        assert "odd.safetensors" in reasons["odd"][0].reason
        assert not reasons["good"]
    finally:
        odd.unlink()


def test_the_effect_tells_the_burnt_one_from_the_file_alone(app):
    table = app.scores.table(PROJECT, VERSION, "rates", ["effect"])
    effects = of(table, "effect")
    assert 0 < effects["undertrained"].value < effects["good"].value < effects["burnt"].value
    assert [name for name, score in effects.items() if score.remarks == (Remark.BURNT,)] == ["burnt"]
    assert set(effects["good"].details["blocks"]) >= {"BASE", "IN01", "MID", "OUT05"}


def test_all_scorers_together_rank_them_and_say_why(pictured):
    table = pictured.scores.table(PROJECT, VERSION, "rates")
    assert order(table) == ["good", "undertrained", "burnt"]
    likeness = of(table, "likeness")
    assert likeness["good"].value < likeness["burnt"].value
    assert all(score.value > 0.01 for score in of(table, "change").values())
    assert set(of(table, "diversity")) == set(LESSONS)
    assert table.suggestion.path.stem == "good"
    assert table.suggestion.sureness in ("low", "moderate", "high")
    assert any("less" in reason for reason in table.suggestion.reasons)
    assert any("burnt" in reason for reason in table.suggestion.reasons)
    (first, *_) = table.effects
    assert (first.option, first.noise, first.confidence) == ("learning_rate", None, 0.0)
    assert "another seed" in first.evidence


def test_blind_votes_are_kept_and_counted(pictured):
    names = {}
    for _ in range(6):
        pair = pictured.scores.pair(PROJECT, VERSION, "rates")
        shown = [next(name for name in LESSONS if name in str(file)) for file in (pair.first, pair.second)]
        names[frozenset(shown)] = names.get(frozenset(shown), 0) + 1
        preferred = Preference.FIRST if shown[0] == "undertrained" else Preference.SECOND
        preference = preferred if "undertrained" in shown else Preference.NEITHER
        pictured.scores.vote(PROJECT, VERSION, pair.key, preference, "rates")
    assert sorted(names.values()) == [2, 2, 2], "those come next that were compared least"
    votes = of(pictured.scores.table(PROJECT, VERSION, "rates", ["votes"]), "votes")
    assert (votes["undertrained"].details["wins"], votes["undertrained"].details["votes"]) == (4, 4)
    assert votes["good"].details["wins"] == 1
    assert 0.7 < votes["undertrained"].value < 0.8
    with pytest.raises(ChangedMeanwhileError):
        pictured.scores.vote(PROJECT, VERSION, "a-b", Preference.FIRST, "rates")


def test_what_is_not_there_is_said(app):
    with pytest.raises(OptionValueError, match=r"'beauty' is no scorer. There are: votes"):
        app.scores.table(PROJECT, VERSION, "rates", ["beauty"])
    with pytest.raises(NotFoundError):
        app.scores.table(PROJECT, VERSION, "no grid")
