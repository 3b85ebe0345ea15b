"""Regularisation images of a version: planned, rendered by real processes, kept in sets and taken again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.app.conftest import POCKET
from tests.checks.conftest import PROJECT, VERSION, Desk, photograph
from tests.renderers.stand_in import StandInRenderer
from train_tools.app import App, outputs_paths
from train_tools.engines.bundled import BundledEngine
from train_tools.errors import DatasetNotUsableError, InUseError, NotFoundError, OptionValueError
from train_tools.model.captions import Trigger, TriggerPolicy
from train_tools.model.job import JobState
from train_tools.model.regularisation import RegularisationWish
from train_tools.previews.picture_file import read_picture

ZORB = RegularisationWish(without=("zorb",), steps=2, width_px=64, height_px=64)


class Studio(Desk):
    """A version of three captioned photographs, and a renderer that only draws colours."""

    def __init__(self, folder: Path) -> None:
        self.app = App(outputs_paths(folder / "outputs"), [BundledEngine()], StandInRenderer())
        self.app.create_project(PROJECT)
        self.app.create_version(PROJECT, VERSION)
        self.fill(VERSION)

    def fill(self, version: str) -> None:
        processed = self.app.versions.paths(PROJECT, version).processed / "4_zorb woman"
        processed.mkdir(parents=True)
        for number, caption in enumerate(
            ("photo of zorb woman", "zorb woman on a chair", "zorb woman on a chair")
        ):
            photograph(number).save(processed / f"{number}.png")
            (processed / f"{number}.txt").write_text(caption)
        stored = self.app.versions.settings(PROJECT, version)
        options = {"pretrained_model_name_or_path": str(POCKET), "resolution": "64"}
        self.app.versions.save_settings(PROJECT, version, replace(stored, options=options, axes={}))

    def make(self, wish: RegularisationWish = ZORB, version: str = VERSION):
        job = self.app.regularisation.make(PROJECT, version, wish)
        assert self.app.jobs.worker().run(until=lambda: not self.app.jobs.queue.waiting())
        return self.app.jobs.get(job.id)

    def given(self, version: str = VERSION) -> dict[str, str]:
        """The captions by picture, relative to `reg`."""
        reg = self.app.versions.paths(PROJECT, version).regularisation
        return {
            file.relative_to(reg).as_posix(): file.with_suffix(".txt").read_text() for file in reg.glob("*/*.png")
        }


@pytest.fixture
def studio(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))
    made = Studio(tmp_path)
    yield made
    made.app.jobs.queue.close()


def test_captions_become_prompts_and_pictures_a_folder_of_the_trained_class(studio):
    plan = studio.app.regularisation.plan(PROJECT, VERSION, ZORB)
    assert plan.prompts == ("photo of a woman", "a woman on a chair")
    assert (plan.folder, plan.images, plan.missing) == ("1_zorb woman", 3, 3)
    job = studio.make()
    assert (job.state, "3 regularisation images, 3 new" in job.message) == (JobState.DONE, True)
    assert sorted(studio.given().values()) == [
        "a woman on a chair\n",
        "photo of a woman\n",
        "photo of a woman\n",
    ]
    assert {name.split("/")[0] for name in studio.given()} == {"1_zorb woman"}
    dataset = studio.app.versions.dataset(PROJECT, VERSION)
    assert [len(folder.images) for folder in dataset.regularisation] == [3]
    assert dataset.problems == ()


def test_every_picture_says_its_seed(studio):
    studio.make(replace(ZORB, seed=40))
    folder = studio.app.regularisation.plan(PROJECT, VERSION, ZORB).set_folder
    assert sorted(read_picture(file).seed for file in folder.glob("*.png")) == [40, 41, 42]


def test_more_pictures_are_added_to_a_set_and_another_version_takes_what_is_there(studio):
    studio.make(replace(ZORB, images=2))
    assert studio.app.regularisation.plan(PROJECT, VERSION, replace(ZORB, images=5)).missing == 3
    studio.make(replace(ZORB, images=5))
    assert len(studio.given()) == 5
    [found] = studio.app.regularisation.sets()
    assert (found.name.endswith("/woman"), found.images) == (True, 5)
    studio.app.create_version(PROJECT, "v2")
    studio.fill("v2")
    assert studio.app.regularisation.plan(PROJECT, "v2", replace(ZORB, images=5)).missing == 0
    folder, new = studio.app.regularisation.use(PROJECT, "v2", found.name, images=4, repeats=2)
    assert (folder.name, new, len(studio.given("v2"))) == ("2_zorb woman", 4, 4)
    assert studio.app.regularisation.use(PROJECT, "v2", found.name) == (folder, 1)
    with pytest.raises(NotFoundError, match="fewer than 9"):
        studio.app.regularisation.use(PROJECT, "v2", found.name, images=9)
    with pytest.raises(NotFoundError, match="no set 'x'"):
        studio.app.regularisation.use(PROJECT, "v2", "x")


def test_a_job_that_was_cancelled_goes_on_where_it_was(studio):
    job = studio.app.regularisation.make(PROJECT, VERSION, ZORB)
    worker = studio.app.jobs.worker()
    studio.app.jobs.cancel(job.id)
    assert studio.app.jobs.get(job.id).state is JobState.CANCELLED
    assert studio.given() == {}
    studio.app.jobs.retry(job.id)
    assert worker.run(until=lambda: not studio.app.jobs.queue.waiting())
    assert studio.app.jobs.get(job.id).state is JobState.DONE
    assert len(studio.given()) == 3


def test_trigger_words_are_left_out_by_themselves(studio):
    trigger = Trigger(policy=TriggerPolicy.PREFIX, words="zorb")
    studio.app.captions.set_trigger(PROJECT, VERSION, trigger)
    plan = studio.app.regularisation.plan(PROJECT, VERSION, RegularisationWish())
    assert plan.prompts[0] == "photo of a woman"


def test_without_a_word_for_the_subject_nothing_is_made_up(studio):
    with pytest.raises(OptionValueError, match="Say the words to leave out"):
        studio.app.regularisation.plan(PROJECT, VERSION, RegularisationWish())
    with pytest.raises(OptionValueError, match="no class 'x'"):
        studio.app.regularisation.plan(PROJECT, VERSION, replace(ZORB, class_name="x"))
    studio.app.create_version(PROJECT, "empty")
    with pytest.raises(DatasetNotUsableError, match="no training images"):
        studio.app.regularisation.plan(PROJECT, "empty", ZORB)


def test_pictures_stay_out_of_a_version_that_runs_wait_for(studio):
    job = studio.app.regularisation.make(PROJECT, VERSION, ZORB)
    studio.app.grids.submit(PROJECT, VERSION, {"max_train_epochs": "1"})
    with pytest.raises(InUseError):
        studio.app.regularisation.make(PROJECT, VERSION, ZORB)
    assert studio.app.jobs.worker().run(until=lambda: studio.app.jobs.get(job.id).state.finished)
    assert "not in the version" in studio.app.jobs.get(job.id).message
    assert studio.given() == {}


def test_the_folder_for_ones_own_images_is_named_as_it_has_to_be(studio):
    folder = studio.app.regularisation.make_folder(PROJECT, VERSION, repeats=3)
    assert folder.name == "3_zorb woman"
    assert studio.app.regularisation.make_folder(PROJECT, VERSION, repeats=5) == folder
