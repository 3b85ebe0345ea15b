"""Versions without a single prepared image, and modes of training that need none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.app.conftest import POCKET, PROJECT, VERSION
from train_tools.app import App, open_app
from train_tools.errors import DatasetNotUsableError, OptionValueError
from train_tools.model.draft import Draft
from train_tools.model.finding import Level
from train_tools.model.plan import Plan

RED = {"original_prompt": "a red circle", "max_train_steps": "2", "learning_rate": "1e-4"}
SIZED = {"positive_prompt": "a big circle", "negative_prompt": "a small circle"}


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))
    app = open_app(tmp_path / "outputs")
    app.create_project(PROJECT)
    app.create_version(PROJECT, VERSION)
    yield app
    app.jobs.queue.close()


@pytest.fixture
def pair(tmp_path: Path) -> dict[str, str]:
    files = {"original_image": tmp_path / "it's.png", "target_image": tmp_path / "it's blue.png"}
    for file, colour in zip(files.values(), ("red", "blue"), strict=True):
        Image.new("RGB", (64, 64), colour).save(file)
    return {name: str(file) for name, file in files.items()}


def drafted(**options: str) -> Draft:
    return Draft(assignments={"pretrained_model_name_or_path": str(POCKET), **RED, **options})


def planned(app: App, **options: str) -> Plan:
    return app.grids.plan(PROJECT, VERSION, drafted(**options))


def test_modes_on_prompts_are_planned_and_looked_at_without_a_complaint(empty: App) -> None:
    asked = drafted(mode="ileco, leco, slider", **SIZED)
    looked = empty.grids.preflight(PROJECT, VERSION, asked)

    assert [run.steps for run in empty.grids.plan(PROJECT, VERSION, asked).runs] == [2, 2, 2]
    assert [run.views for run in empty.grids.plan(PROJECT, VERSION, asked).runs] == [0, 0, 0]
    assert not {"images", "captions", "steps", "left out"} & {finding.check for finding in looked.findings}
    assert not looked.stops


@pytest.mark.parametrize("mode", ["lora", "multi_addift", "ileco, lora"])
def test_runs_on_images_say_what_is_missing(empty: App, mode: str) -> None:
    with pytest.raises(DatasetNotUsableError, match=r"no training images\. .* Mode (lora|multi_addift) learns"):
        planned(empty, mode=mode)


def test_a_run_on_prompts_stays_the_same_whatever_images_come(app: App) -> None:
    before = planned(app, mode="ileco").runs[0].run
    for image in app.versions.paths(PROJECT, VERSION).processed.rglob("*.png"):
        image.unlink()

    assert planned(app, mode="ileco").runs[0].run == before


def test_a_pair_that_is_named_needs_no_dataset(empty: App, pair: dict[str, str]) -> None:
    asked = drafted(mode="difference, addift", **pair)
    looked = empty.grids.preflight(PROJECT, VERSION, asked)

    assert [run.steps for run in empty.grids.plan(PROJECT, VERSION, asked).runs] == [4, 2]
    assert "2 images can be read." in [finding.message for finding in looked.findings]
    assert not looked.stops


def test_a_pair_counts_by_what_it_shows_and_not_by_where_it_lies(empty: App, pair: dict[str, str]) -> None:
    def name() -> str:
        return planned(empty, mode="addift", **pair).runs[0].run.name

    before = name()
    moved = Path(pair["original_image"]).rename(empty.versions.paths(PROJECT, VERSION).folder / "moved.png")
    pair["original_image"] = "moved.png"
    assert name() == before
    Image.new("RGB", (64, 64), "green").save(moved)
    assert name() != before


def test_a_pair_cut_short_is_told_before_the_training(empty: App, pair: dict[str, str]) -> None:
    target = Path(pair["target_image"])
    target.write_bytes(target.read_bytes()[:-40])
    stops = empty.grids.preflight(PROJECT, VERSION, drafted(mode="addift", **pair)).stops

    assert [(stop.check, stop.level) for stop in stops] == [("images", Level.STOP)]
    assert target.name in stops[0].message


def test_half_a_pair_and_one_that_is_not_there_are_refused(empty: App, pair: dict[str, str]) -> None:
    Path(pair["target_image"]).unlink()

    with pytest.raises(DatasetNotUsableError, match=r"it's blue\.png does not exist"):
        planned(empty, mode="addift", **pair)
    with pytest.raises(OptionValueError, match="Give target_image too"):
        planned(empty, mode="addift", original_image=pair["original_image"])


def test_previews_show_the_prompts_of_the_mode(empty: App) -> None:
    empty.grids.submit(PROJECT, VERSION, drafted(mode="ileco", target_prompt="a blue circle"))
    previews = empty.previews.settings_of(empty.versions.paths(PROJECT, VERSION))

    assert previews.prompts == ("a red circle", "a blue circle")
    assert (previews.weights[0], previews.weights[-1]) == (-1, 1)
