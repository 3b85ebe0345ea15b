from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from train_tools.errors import StorageError
from train_tools.model.paths import OutputsPaths, VersionPaths
from train_tools.projects.legacy import legacy_settings, legacy_trains
from train_tools.projects.settings import read_settings
from train_tools.projects.store import ProjectStore

FIXTURE = Path(__file__).parent / "s1_version"


@pytest.fixture
def store(tmp_path):
    outputs = OutputsPaths(tmp_path)
    shutil.copytree(FIXTURE, outputs.project("cat").version("v1").folder)
    return ProjectStore(outputs)


@pytest.fixture
def version(store):
    return store.open_version("cat", "v1").paths


def content_of(folder):
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).digest())
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_folder_of_s1_opens_and_reading_it_writes_nothing(store, version):
    before = content_of(version.folder)
    assert store.list()[0].versions == ("v1",)
    assert store.open_version("cat", "v1").legacy
    read_settings(version)
    legacy_trains(version)
    assert content_of(version.folder) == before


def test_its_three_files_are_the_settings(version):
    settings = read_settings(version)
    assert (settings.preparation.width_px, settings.preparation.height_px) == (448, 512)
    assert settings.preparation.mirrored_copies
    assert settings.options["max_train_epochs"] == 10
    assert settings.options["network_alpha"] == 64
    assert settings.options["lr_scheduler"] == "cosine"
    assert list(settings.axes.items()) == [
        ("learning_rate", (1e-4, 5e-5)),
        ("optimizer_type", ("Lion", "AdamW")),
    ]
    assert settings.previews.prompts == ('a cat, "sitting"',)
    assert settings.previews.weights == (0.6, 0.8, 1.0)
    assert (settings.previews.sampler, settings.previews.steps) == ("euler_a", 20)
    assert settings.previews.after_training


def test_what_has_no_counterpart_is_told(version):
    notes = "\n".join(legacy_settings(version).notes)
    for key in ("train_base_model", "sd_script_args", "preview_seed", "preview_batch_count"):
        assert key in notes
    assert "process_focal_crop" not in notes
    preparation = legacy_settings(version).settings.preparation
    assert (preparation.focal_crop, preparation.focal_faces, preparation.split) == (True, 0.9, False)
    assert (preparation.auto_crop_most_area, preparation.auto_crop_objective) == (640 * 640, "area")


def test_missing_keys_and_files_mean_what_s1_took_for_them(tmp_path):
    (tmp_path / "dataset_config.json").write_text("{}")
    settings = read_settings(VersionPaths(tmp_path))
    assert settings.preparation.mirrored_copies
    assert settings.options["optimizer_type"] == "Lion"
    assert settings.axes == {}
    assert settings.previews.negative_prompt == "low quality"


@pytest.mark.parametrize("value", [5000, "many", None, float("inf"), [1], 513])
def test_a_value_that_cannot_be_used_gives_way_to_the_default_with_a_note(tmp_path, value):
    (tmp_path / "dataset_config.json").write_text(json.dumps({"process_width": value}))
    read = legacy_settings(VersionPaths(tmp_path))
    assert read.settings.preparation.width_px == 512
    assert read.notes


def test_previews_after_training_are_on_unless_they_were_turned_off(tmp_path):
    (tmp_path / "train_config.json").write_text("{}")
    assert legacy_settings(VersionPaths(tmp_path)).settings.previews.after_training
    (tmp_path / "train_config.json").write_text('{"train_finish_generate_all_checkpoint_preview": false}')
    assert not legacy_settings(VersionPaths(tmp_path)).settings.previews.after_training


def test_a_broken_file_is_told_by_name(tmp_path):
    (tmp_path / "train_config.json").write_text("{")
    with pytest.raises(StorageError, match=r"train_config\.json"):
        read_settings(VersionPaths(tmp_path))


def test_its_checkpoints_and_previews_are_listed(version):
    (train,) = legacy_trains(version)
    assert train.name == "v1-5-pruned-emaonly-bs-10-ep-10-op-Lion-lr-0_0001-net-128-ap-64"
    by_name = {checkpoint.name: checkpoint for checkpoint in train.checkpoints}
    assert {name: checkpoint.epoch for name, checkpoint in by_name.items()} == {
        "cat-v1": 0,
        "cat-v1-000002": 2,
        "cat-v1-000004": 4,
    }
    assert [name for name, checkpoint in by_name.items() if checkpoint.final] == ["cat-v1"]
    assert all(len(images) == 1 for images in train.images.values())


def test_a_run_of_ours_is_not_taken_for_one_of_s1(version):
    (version.run("ours").folder).mkdir()
    version.run("ours").record.write_text("format = 1\n")
    assert len(legacy_trains(version)) == 1


def test_notes_give_it_a_record_that_keeps_its_settings(store, version):
    settings = read_settings(version)
    store.set_version_notes("cat", "v1", "kept")
    assert not store.open_version("cat", "v1").legacy
    assert store.open_version("cat", "v1").notes == "kept"
    assert read_settings(version) == settings


def test_a_duplicate_of_it_is_a_version_of_ours(store, version):
    copy = store.duplicate_version("cat", "v1", "v2")
    assert not copy.legacy
    assert read_settings(copy.paths) == read_settings(version)
    assert len(list(copy.paths.processed.rglob("*.png"))) == 6
