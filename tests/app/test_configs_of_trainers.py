"""Settings as files and presets take the options of the trainer that a version, or the file, is for."""

from __future__ import annotations

import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from tests.app.conftest import POCKET, PROJECT, VERSION
from tests.engines.kohya_checkout import lay_out
from train_tools.app import App
from train_tools.errors import NotFoundError, OptionValueError
from train_tools.model.config import Fate
from train_tools.model.project import VersionSettings

BASE = "pretrained_model_name_or_path"
KOHYA_TOML = """
network_dim = 8
ddp_timeout = 5
max_train_epochs = 2
optimizer_type = "AdamW"
optimizer_args = ["foreach=True"]
"""
GRID = 'format = 3\nengine = "kohya"\n[options]\nddp_timeout = 5\n[axes]\nnetwork_dim = [4, 8]\n'
BY_HAND = 'format = 1\n[trainer]\nengine = "gone"\n[options]\nddp_timeout = 5\nnetwork_dim = 8\n'


@pytest.fixture
def kohya(app: App, tmp_path: Path) -> App:
    """The app with a checkout, which the version uses."""
    app.engines.add("kohya", lay_out(tmp_path / "checkout"), Path(sys.executable))
    remember(app, engine="kohya", options={BASE: str(POCKET)})
    return app


def remember(app: App, **changes: object) -> None:
    app.versions.save_settings(PROJECT, VERSION, replace(settings(app), **changes))


def settings(app: App, version: str = VERSION) -> VersionSettings:
    return app.versions.settings(PROJECT, version)


def test_a_version_takes_a_file_with_its_trainers_options(kohya):
    trainer = kohya.configs.trainer_of(PROJECT, VERSION)
    config = kohya.configs.read_text("config.toml", KOHYA_TOML, trainer)
    assert (config.engine, config.notes) == ("kohya", ())
    assert config.of(Fate.NOT_SUPPORTED, Fate.UNKNOWN) == ()
    kohya.configs.take_over(PROJECT, VERSION, config)
    assert settings(kohya).options == {
        BASE: str(POCKET),
        "network_dim": 8,
        "ddp_timeout": 5,
        "max_train_epochs": 2,
        "optimizer_type": "AdamW",
        "optimizer_args": ("foreach=True",),
    }
    assert kohya.grids.plan(PROJECT, VERSION).engine == "kohya"


def test_without_a_version_the_bundled_trainer_is_meant(kohya):
    config = kohya.configs.read_text("config.toml", KOHYA_TOML)
    assert config.engine == "bundled"
    assert {entry.key for entry in config.of(Fate.NOT_SUPPORTED)} == {"ddp_timeout", "optimizer_args"}


def test_a_grid_says_which_trainer_it_was_for_and_brings_it(kohya):
    remember(kohya, engine="bundled", options={BASE: str(POCKET), "state_every_n_steps": 5})
    config = kohya.configs.read_text("grid.toml", GRID)
    assert (config.engine, config.options) == ("kohya", {"ddp_timeout": 5})
    [entry] = [entry for entry in config.entries if entry.key == "engine"]
    assert (entry.value, entry.fate, entry.reason) == ("kohya", Fate.TAKEN, "the trainer whose options these are")
    change = kohya.configs.take_over(PROJECT, VERSION, config)
    assert "The trainer is kohya now; it was bundled." in change.notes
    assert settings(kohya).engine == "kohya"
    assert kohya.grids.plan(PROJECT, VERSION).total == 2


@pytest.mark.parametrize("text", [BY_HAND, BY_HAND.replace("[trainer]\n", "").replace("format = 1", "format = 3")])
def test_a_file_for_a_trainer_that_is_not_here_says_so(app, text):
    config = app.configs.read_text("version.toml", text)
    assert (config.engine, config.options) == ("bundled", {"network_dim": 8})
    [note] = config.notes
    assert "for the trainer 'gone'; its options were read as those of 'bundled'" in note
    assert "train-tools engine add gone --path FOLDER" in note
    assert {entry.key for entry in config.of(Fate.NOT_SUPPORTED)} >= {"ddp_timeout"}
    app.configs.take_over(PROJECT, VERSION, config)
    assert settings(app).engine == "bundled"


def test_a_trainer_that_is_not_here_can_not_be_asked_for(app):
    with pytest.raises(NotFoundError, match="There is no engine 'kohya'"):
        app.configs.read_text("config.toml", KOHYA_TOML, "kohya")


def test_a_preset_for_the_bundled_trainer_is_taken_as_far_as_the_versions_has_its_options(kohya):
    remember(kohya, engine="bundled", options={"state_every_n_steps": 5, "network_dim": 4})
    kohya.presets.save(PROJECT, VERSION, "mine")
    remember(kohya, engine="kohya", options={BASE: str(POCKET), "ddp_timeout": 5})
    change = kohya.presets.apply(PROJECT, VERSION, "mine", over=True)
    assert settings(kohya).engine == "kohya"
    assert settings(kohya).options == {BASE: str(POCKET), "ddp_timeout": 5, "network_dim": 4}
    assert [note for note in change.notes if note.startswith("state_every_n_steps was left out")]


def test_every_preset_that_came_along_can_be_planned_with_a_checkout(kohya):
    for preset in kohya.presets.all():
        remember(kohya, engine="kohya", options={BASE: str(POCKET)}, axes={})
        kohya.presets.apply(PROJECT, VERSION, preset.name)
        assert settings(kohya).engine == "kohya", preset.name
        assert kohya.grids.count(PROJECT, VERSION).runs >= 1, preset.name


def test_a_preset_kept_with_another_trainer_brings_it(kohya):
    remember(kohya, options={BASE: str(POCKET), "ddp_timeout": 5})
    assert kohya.presets.save(PROJECT, VERSION, "theirs").engine == "kohya"
    kohya.create_version(PROJECT, "v2")
    change = kohya.presets.apply(PROJECT, "v2", "theirs")
    assert (settings(kohya, "v2").engine, settings(kohya, "v2").options["ddp_timeout"]) == ("kohya", 5)
    assert "The trainer is kohya now; it was bundled." in change.notes
    kohya.engines.remove("kohya")
    kohya.create_version(PROJECT, "v3")
    change = kohya.presets.apply(PROJECT, "v3", "theirs")
    assert settings(kohya, "v3").engine == "bundled"
    assert "ddp_timeout" not in settings(kohya, "v3").options
    assert [note for note in change.notes if "for the trainer 'kohya', which isn't here" in note]


def test_a_preset_with_a_name_no_trainer_knows_changes_nothing(kohya):
    kohya.presets.save(PROJECT, VERSION, "mine")
    file = kohya.outputs.presets / "mine.toml"
    file.write_text('[trainer]\nengine = "kohya"\n[options]\nnetwork_dimm = 8\n', encoding="utf-8")
    before = settings(kohya)
    with pytest.raises(OptionValueError, match="network_dimm"):
        kohya.presets.apply(PROJECT, VERSION, "mine")
    assert settings(kohya) == before


def test_a_version_of_a_checkout_is_exported_with_all_that_its_scripts_have(kohya):
    remember(kohya, options={BASE: str(POCKET), "ddp_timeout": 5, "script": "train_network"})
    [exported] = kohya.configs.export(PROJECT, VERSION, {"network_dim": "8"})
    table = tomllib.loads(exported.text)
    assert (table["ddp_timeout"], table["network_dim"]) == (5, 8)
    assert (table["network_module"], table["sdpa"]) == ("networks.lora", True)
    assert table["output_name"] == f"{PROJECT}-{VERSION}"
    assert not {"script", "repeats", "optimizer_type"} & set(table)


def test_a_version_without_a_base_model_is_exported_too(kohya):
    remember(kohya, options={"network_dim": 8})
    [exported] = kohya.configs.export(PROJECT, VERSION)
    assert tomllib.loads(exported.text)["network_module"] == "networks.lora"
