from __future__ import annotations

import pytest

from train_tools.errors import DatasetNotUsableError, StorageError, TrainToolsError
from train_tools.files import read_toml
from train_tools.model.captions import Trigger
from train_tools.model.paths import VersionPaths
from train_tools.model.preparation import Preparation
from train_tools.model.preview import PreviewSettings
from train_tools.model.project import VersionSettings
from train_tools.projects.settings import read_settings, write_settings

SETTINGS = VersionSettings(
    preparation=Preparation(width_px=64, height_px=128, mirrored_copies=True, class_name="猫 [x]"),
    options={"learning_rate": 1e-4, "network_dim": 8, "optimizer_args": ("a=1", "b=2"), "cache_latents": True},
    axes={"network_dim": (8, 16), "optimizer_type": ("AdamW", "Lion")},
    previews=PreviewSettings(prompts=('a "cat"\n', "b"), weights=(0.0, 1.0), seeds=(1, 2)),
    trigger=Trigger(policy="prefix", words="alice, {class}", classes={"red dress": 'alice, "red" dress'}),
)


@pytest.fixture
def version(tmp_path):
    return VersionPaths(tmp_path)


def test_settings_come_back_as_they_were_written(version):
    write_settings(version, SETTINGS)
    assert read_settings(version) == SETTINGS


def test_a_record_of_the_first_format_makes_mirrored_copies_only_where_it_says_so(version):
    version.record.write_text("format = 1\n[preparation]\nwidth_px = 64\n")
    settings = read_settings(version)
    assert not settings.preparation.mirrored_copies
    write_settings(version, settings)
    assert read_toml(version.record)["format"] == 2
    assert read_settings(version) == settings


def test_a_version_without_a_record_has_the_defaults(version):
    assert read_settings(version) == VersionSettings()


def test_keys_of_others_survive_a_rewrite(version):
    version.record.write_text('notes = "n"\n[preparation]\nfuture = 1\nwidth_px = 64\n[ratings]\nrun = 5\n')
    write_settings(version, SETTINGS)
    record = read_toml(version.record)
    assert (record["notes"], record["ratings"], record["preparation"]["future"]) == ("n", {"run": 5}, 1)
    assert read_settings(version) == SETTINGS


def test_an_option_that_is_not_set_any_more_is_gone_from_the_file(version):
    write_settings(version, SETTINGS)
    write_settings(version, VersionSettings(options={"network_dim": 4, "vae": None}))
    assert read_toml(version.record)["options"] == {"network_dim": 4}


def test_whole_numbers_do_where_numbers_are_wanted(version):
    version.record.write_text("[previews]\nguidance = 5\nweights = [0, 1]\n")
    assert read_settings(version).previews.weights == (0.0, 1.0)
    assert isinstance(read_settings(version).previews.guidance, float)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[preparation]\nwidth_px = true\n", "width_px = True in .preparation. .* a whole number"),
        ('[preparation]\nrepeats = "4"\n', "repeats = '4' .* a whole number"),
        ("[previews]\nprompts = 'cat'\n", "prompts = 'cat' .* a list of texts"),
        ("[previews]\nseeds = [1, 1.5]\n", "a list of whole numbers"),
        ("[axes]\nnetwork_dim = 8\n", "network_dim = 8 .* a list"),
        ("[axes]\nnetwork_dim = []\n", "at least one"),
        ("options = 3\n", "options = 3 is not a table"),
        ("[options\n", "line 1"),
        ("format = 3\n", "format 3"),
    ],
)
def test_a_line_that_cannot_be_used_is_named_with_what_is_allowed(version, text, told):
    version.record.write_text(text)
    with pytest.raises(StorageError, match=told) as error:
        read_settings(version)
    assert "version.toml" in str(error.value)


def test_a_value_out_of_range_is_told_as_on_the_page(version):
    version.record.write_text("[preparation]\nwidth_px = 65\n")
    with pytest.raises(DatasetNotUsableError, match="width 65"):
        read_settings(version)


def test_a_record_of_a_newer_format_is_not_overwritten(version):
    version.record.write_text("format = 3\n")
    with pytest.raises(TrainToolsError):
        write_settings(version, SETTINGS)
    assert version.record.read_text() == "format = 3\n"
