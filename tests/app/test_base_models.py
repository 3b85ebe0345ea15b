from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.app.conftest import POCKET, PROJECT, VERSION
from train_tools.app import App
from train_tools.configs.foreign.lora_file import ToldBase
from train_tools.errors import BaseModelNotUsableError, NotFoundError
from train_tools.model.base_model import CaptionStyle

BASE = "pretrained_model_name_or_path"


@pytest.fixture
def models(app: App, tmp_path: Path) -> Path:
    """Two folders of the settings, the second a WebUI's."""
    for inner, name in (("mine", "anime-zorb.safetensors"), ("webui/models/Stable-diffusion", "zorb.safetensors")):
        (tmp_path / inner).mkdir(parents=True)
        shutil.copy(POCKET, tmp_path / inner / name)
    (tmp_path / "mine" / "broken.safetensors").write_bytes(b"")
    app.settings.change({"models.folders": [str(tmp_path / "mine"), str(tmp_path / "webui")]})
    return tmp_path


def test_models_are_those_of_the_folders_in_the_settings_and_ones_own(app, models):
    app.outputs.base_models.mkdir()
    shutil.copy(POCKET, app.outputs.base_models / "fetched.safetensors")
    names = [model.path.name for model in app.base_models.all().models]
    assert names == ["fetched.safetensors", "anime-zorb.safetensors", "broken.safetensors", "zorb.safetensors"]


def test_a_model_is_found_by_name_or_path(app, models):
    path = models / "mine" / "anime-zorb.safetensors"
    for name in (str(path), "anime-zorb", "anime-zorb.safetensors"):
        assert app.base_models.find(name).path == path
    with pytest.raises(NotFoundError, match="no base model 'nothing' in the folders"):
        app.base_models.find("nothing")
    shutil.copy(POCKET, models / "mine" / "zorb.safetensors")
    with pytest.raises(NotFoundError, match="several base models 'zorb'"):
        app.base_models.find("zorb")


def test_a_version_takes_a_model_with_what_suits_it(app, models):
    stored = app.versions.settings(PROJECT, VERSION)
    app.versions.save_settings(
        PROJECT, VERSION, replace(stored, options={"seed": 1}, axes={"clip_skip": (1, 2), "network_dim": (4, 8)})
    )
    app.base_models.choose(PROJECT, VERSION, "anime-zorb", trigger_words=2)
    settings = app.versions.settings(PROJECT, VERSION)
    assert settings.options == {
        "seed": 1,
        BASE: str(models / "mine" / "anime-zorb.safetensors"),
        "shuffle_caption": True,
        "keep_tokens": 2,
        "clip_skip": 2,
    }
    assert (settings.axes, settings.previews.clip_skip) == ({"network_dim": (4, 8)}, 2)
    assert app.grids.count(PROJECT, VERSION).runs == 2


def test_a_style_can_be_said_and_taken_back(app, models):
    assert app.base_models.set_style("zorb", CaptionStyle.TAGS).style.chosen
    assert {each.option: each.value for each in app.base_models.suggestions("zorb").options}["clip_skip"] == 2
    assert app.base_models.set_style("zorb", None).style.style is CaptionStyle.PROSE


def test_a_model_that_can_not_be_used_is_refused_with_the_reason(app, models):
    for act in (app.base_models.suggestions, lambda name: app.base_models.choose(PROJECT, VERSION, name)):
        with pytest.raises(BaseModelNotUsableError, match="no safetensors file"):
            act("broken")


def test_the_model_that_a_lora_file_tells_of_is_found_by_its_content(app, models):
    told = ToldBase(name="other name.safetensors", sha256="", short_hash="")
    model = app.base_models.find("zorb")
    assert app.base_models.meant_by(told) is None
    content = app.base_models.find("zorb", with_hash=True).sha256
    assert app.base_models.meant_by(replace(told, sha256=content)) is not None
    assert app.base_models.meant_by(replace(told, sha256="0" * 64, short_hash=model.short_hash)) is None
    known = replace(told, short_hash=model.short_hash, name="zorb.safetensors")
    assert app.base_models.meant_by(known) == model.path
    assert app.base_models.meant_by(replace(known, name="gone.safetensors")) is None
