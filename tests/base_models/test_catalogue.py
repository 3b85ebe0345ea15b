from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from tests.base_models.conftest import POCKET, pocket, write_model
from train_tools.base_models.catalogue import Catalogue
from train_tools.base_models.folders import model_paths, searched_folders
from train_tools.base_models.styles import Styles
from train_tools.engines.bundled import BundledEngine
from train_tools.errors import NotFoundError
from train_tools.model.base_model import BaseModelFile, CaptionStyle


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    styles = Styles(tmp_path / "styles.toml")
    return Catalogue(BundledEngine().check_base_model, styles, tmp_path / "cache")


def listed(catalogue: Catalogue, folder: Path) -> dict[str, BaseModelFile]:
    return {model.path.name: model for model in catalogue.all([str(folder)], folder / "none").models}


def test_models_are_told_by_what_they_hold_and_bad_files_hide_no_others(catalogue, folder):
    models = listed(catalogue, folder)
    assert {name: (model.family, model.prediction) for name, model in models.items()} == {
        "animagine-xl.safetensors": ("sdxl", "epsilon"),
        "broken.safetensors": ("", ""),
        "pickle.ckpt": ("", ""),
        "sd2-v-model.safetensors": ("sd2", "v_prediction"),
        "zorb.safetensors": ("sd1", "epsilon"),
    }
    assert {name for name, model in models.items() if model.problem} == {"broken.safetensors", "pickle.ckpt"}
    assert "no safetensors file" in models["broken.safetensors"].problem
    assert models["sd2-v-model.safetensors"].prediction_sign == '"-v-" in its name'
    assert models["animagine-xl.safetensors"].resolution_px == 1024
    assert models["zorb.safetensors"].size_bytes == POCKET.stat().st_size


def test_what_was_changed_meanwhile_is_read_anew(catalogue, folder):
    assert listed(catalogue, folder)["broken.safetensors"].problem
    pocket(folder / "broken.safetensors")
    (folder / "pickle.ckpt").unlink()
    models = listed(catalogue, folder)
    assert models["broken.safetensors"].family == "sd1"
    assert "pickle.ckpt" not in models


def test_a_hash_is_worked_out_when_asked_for_and_then_known(catalogue, folder):
    path = folder / "inner" / "deeper" / "zorb.safetensors"
    assert listed(catalogue, folder)["zorb.safetensors"].sha256 == ""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert catalogue.one(path, with_hash=True).sha256 == digest
    assert listed(catalogue, folder)["zorb.safetensors"].sha256 == digest
    with path.open("ab") as file:
        file.write(b"x")
    assert catalogue.one(path).sha256 == ""


def test_the_short_hash_is_that_of_older_programs(catalogue, folder):
    path = write_model(folder / "x.safetensors", "sd1", salt=b"one")
    with path.open("rb") as file:
        window = file.read(0x110000)[0x100000:]
    assert catalogue.one(path).short_hash == hashlib.sha256(window).hexdigest()[:8]


def test_a_diffusers_folder_is_one_entry_with_its_reason(catalogue, tmp_path):
    model = tmp_path / "models" / "diffusers"
    (model / "unet").mkdir(parents=True)
    (model / "model_index.json").write_text("{}")
    write_model(model / "unet" / "weights.safetensors", "sd1")
    [found] = catalogue.all([str(tmp_path / "models")], tmp_path / "none").models
    assert found.path == model
    assert found.problem


def test_a_file_that_is_not_there_is_told(catalogue, tmp_path):
    with pytest.raises(NotFoundError, match="no base model"):
        catalogue.one(tmp_path / "gone.safetensors")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a file that can't be read")
def test_a_file_without_permission_is_listed_with_the_reason(catalogue, folder):
    (folder / "animagine-xl.safetensors").chmod(0)
    assert "can't be read" in listed(catalogue, folder)["animagine-xl.safetensors"].problem


@pytest.mark.parametrize("inner", ["models/Stable-diffusion", "Stable-diffusion", "models/checkpoints"])
def test_a_webuis_own_folder_stands_for_where_it_keeps_models(tmp_path, inner):
    (tmp_path / "webui" / inner).mkdir(parents=True)
    folders, problems = searched_folders([str(tmp_path / "webui")], tmp_path / "none")
    assert (folders, problems) == ([tmp_path / "webui" / inner], [])


def test_folders_are_looked_through_once_and_wrong_ones_told(tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (tmp_path / "link").symlink_to(own)
    named = [str(own), str(tmp_path / "link"), str(tmp_path / "gone"), "relative"]
    folders, problems = searched_folders(named, own)
    assert folders == [own]
    assert [(each.folder.name, each.reason) for each in problems] == [
        ("gone", "it is not there"),
        ("relative", "it has to be a whole path"),
    ]


def test_links_are_followed_and_circles_end(tmp_path):
    (tmp_path / "a").mkdir()
    pocket(tmp_path / "elsewhere" / "x.safetensors")
    (tmp_path / "a" / "circle").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "linked").symlink_to(tmp_path / "elsewhere")
    assert list(model_paths(tmp_path / "a")) == [tmp_path / "a" / "linked" / "x.safetensors"]


def test_a_style_the_user_said_goes_with_the_content_wherever_it_lies(catalogue, folder, tmp_path):
    path = write_model(folder / "one.safetensors", "sd1", salt=b"one")
    other = write_model(folder / "other.safetensors", "sd1", salt=b"two")
    styles = Styles(tmp_path / "styles.toml")
    styles.set(catalogue.one(path), CaptionStyle.TAGS)
    moved = path.rename(folder / "inner" / "renamed.safetensors")
    assert (catalogue.one(moved).style.style, catalogue.one(moved).style.chosen) == (CaptionStyle.TAGS, True)
    assert catalogue.one(other).style.style is CaptionStyle.PROSE
    styles.set(catalogue.one(moved), None)
    assert not catalogue.one(moved).style.chosen
