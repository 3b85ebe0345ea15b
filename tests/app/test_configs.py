from __future__ import annotations

import tomllib
from dataclasses import replace

import pytest

from tests.app.conftest import POCKET, PROJECT, VERSION
from train_tools.app import App
from train_tools.errors import OptionValueError
from train_tools.model.config import ImportedConfig
from train_tools.model.grid import Formula, Rules

KOHYA = (
    'network_dim = 8\nlearning_rate = 1e-4\nresolution = "64,64"\nmax_train_epochs = 2\ntrain_data_dir = "/x"\n'
)
BASE = "pretrained_model_name_or_path"


def read(app: App, text: str = KOHYA) -> ImportedConfig:
    return app.configs.read_text("config.toml", text)


def remember(app: App, **changes: object) -> None:
    app.versions.save_settings(PROJECT, VERSION, replace(app.versions.settings(PROJECT, VERSION), **changes))


def test_a_file_takes_the_place_of_all_options_but_the_base_model(app):
    remember(app, options={BASE: str(POCKET), "flip_aug": True}, axes={"network_dim": (4, 8)})
    change = app.configs.take_over(PROJECT, VERSION, read(app))
    settings = app.versions.settings(PROJECT, VERSION)
    assert settings.axes == {}
    assert settings.options == {
        BASE: str(POCKET),
        "network_dim": 8,
        "learning_rate": 1e-4,
        "resolution": "64,64",
        "max_train_epochs": 2,
    }
    assert set(change.changed) == {"network_dim", "learning_rate", "resolution", "max_train_epochs", "flip_aug"}
    assert change.before["network_dim"] == [4, 8]
    assert change.notes == ()


def test_what_was_taken_over_can_be_planned(app):
    remember(app, options={BASE: str(POCKET)})
    app.configs.take_over(PROJECT, VERSION, read(app))
    [entry] = app.grids.plan(PROJECT, VERSION).runs
    assert entry.run.options["network_dim"] == 8


def test_what_the_next_training_would_trip_over_is_told(app):
    remember(app, options={}, rules=Rules(seeds=2))
    change = app.configs.take_over(PROJECT, VERSION, read(app, 'network_dim = 8\nresolution = "512"\n'))
    size, rules, base = change.notes
    assert "resolution is 512 now, but the version's images are prepared as 64 x 64" in size
    assert "rules of the version's last grid were taken out" in rules
    assert "No base model is chosen" in base
    assert app.versions.settings(PROJECT, VERSION).rules == Rules()


def test_a_version_is_exported_for_sd_scripts_and_comes_back(app):
    remember(app, options={"network_dim": 8, "learning_rate": 1e-4, BASE: str(POCKET)}, axes={})
    [exported] = app.configs.export(PROJECT, VERSION)
    table = tomllib.loads(exported.text)
    paths = app.versions.paths(PROJECT, VERSION)
    assert table["train_data_dir"] == str(paths.processed)
    assert (table["resolution"], table["output_name"]) == ("64,64", f"{PROJECT}-{VERSION}")
    assert read(app, exported.text).options == {
        "network_dim": 8,
        "learning_rate": 1e-4,
        BASE: str(POCKET),
        "resolution": "64,64",
        "network_module": "networks.lora",
        "optimizer_type": "AdamW",
    }


def test_every_run_of_a_grid_is_a_file_of_its_own(app):
    remember(app, options={"text_encoder_lr": Formula("unet_lr/2")}, axes={"unet_lr": (1e-4, 2e-4)})
    exported = app.configs.export(PROJECT, VERSION, {"network_dim": "4,8"})
    tables = [tomllib.loads(each.text) for each in exported]
    assert [each.name for each in exported] == [f"{PROJECT}-{VERSION}-{number:03}" for number in range(1, 5)]
    assert [(table["unet_lr"], table["text_encoder_lr"], table["network_dim"]) for table in tables] == [
        (1e-4, [5e-5], 4),
        (1e-4, [5e-5], 8),
        (2e-4, [1e-4], 4),
        (2e-4, [1e-4], 8),
    ]
    assert exported[1].text.startswith(f"# {PROJECT}-{VERSION}-002: unet_lr = 0.0001, network_dim = 8, a run")


def test_too_many_files_are_refused(app):
    with pytest.raises(OptionValueError, match="more than 1,000 runs"):
        app.configs.export(PROJECT, VERSION, {"seed": "1..2000"})
