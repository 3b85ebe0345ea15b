from __future__ import annotations

from dataclasses import replace

import pytest

from tests.app.conftest import POCKET, PROJECT, VERSION
from train_tools.app import App
from train_tools.errors import OptionValueError
from train_tools.model.project import VersionSettings

BASE = "pretrained_model_name_or_path"


def remember(app: App, **changes: object) -> None:
    app.versions.save_settings(PROJECT, VERSION, replace(app.versions.settings(PROJECT, VERSION), **changes))


def settings(app: App) -> VersionSettings:
    return app.versions.settings(PROJECT, VERSION)


def test_a_preset_takes_the_place_of_all_that_is_not_the_base_models(app):
    kept = {BASE: str(POCKET), "clip_skip": 2, "keep_tokens": 1, "metadata_author": "me"}
    remember(app, options={**kept, "color_aug": True}, axes={"network_dim": (4, 8)})
    change = app.presets.apply(PROJECT, VERSION, "SDXL-object-24GB")
    assert settings(app).axes == {}
    assert {name: settings(app).options[name] for name in kept} == kept
    assert settings(app).options["network_dim"] == 8
    assert "color_aug" in change.changed
    assert "color_aug" not in settings(app).options
    assert (settings(app).preparation.width_px, settings(app).preparation.height_px) == (1024, 1024)
    assert [note for note in change.notes if "1024 x 1024 now: prepare them anew" in note]


def test_a_preset_over_the_others_changes_what_it_says(app):
    remember(app, options={BASE: str(POCKET), "color_aug": True}, axes={"network_dim": (4, 8), "seed": (1, 2)})
    app.presets.apply(PROJECT, VERSION, "traintrain", over=True)
    assert settings(app).axes == {"seed": (1, 2)}
    assert (settings(app).options["network_dim"], settings(app).options["color_aug"]) == (16, True)


def test_one_s_own_preset_brings_its_axes_and_can_be_planned(app):
    remember(app, options={BASE: str(POCKET), "learning_rate": 1e-4}, axes={"network_dim": (4, 8)})
    app.presets.save(PROJECT, VERSION, "mine", "For zorbs.")
    app.create_version(PROJECT, "v2")
    change = app.presets.apply(PROJECT, "v2", "mine")
    assert change.after == {BASE: str(POCKET), "learning_rate": 1e-4, "network_dim": [4, 8]}
    assert app.grids.count(PROJECT, "v2").runs == 2


def test_captions_that_can_not_be_shuffled_are_told(app):
    remember(app, options={"shuffle_caption": True})
    change = app.presets.apply(PROJECT, VERSION, "sdxl-style-8gb")
    assert [note for note in change.notes if "shuffle_caption can't be set beside it" in note]


def test_a_preset_for_other_base_models_is_told(app):
    remember(app, options={BASE: str(POCKET)})
    other = app.presets.apply(PROJECT, VERSION, "sdxl-object-8gb")
    assert [note for note in other.notes if "for sdxl models" in note and "one of sd1" in note]
    assert not [
        note for note in app.presets.apply(PROJECT, VERSION, "sd1-object-8gb").notes if "models, but" in note
    ]
    remember(app, options={BASE: "/gone.safetensors"})
    assert not [
        note for note in app.presets.apply(PROJECT, VERSION, "sd2-object-8gb").notes if "models, but" in note
    ]


def test_a_preset_that_can_not_be_trained_changes_nothing(app):
    app.presets.save(PROJECT, VERSION, "mine")
    (app.outputs.presets / "mine.toml").write_text("[options]\nnetwork_dimm = 8\n")
    before = settings(app)
    with pytest.raises(OptionValueError, match="network_dimm"):
        app.presets.apply(PROJECT, VERSION, "mine")
    assert settings(app) == before
