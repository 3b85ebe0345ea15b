from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from train_tools.errors import OptionValueError, StorageError
from train_tools.model.settings import Occasion, UserSettings, WhichCheckpoints
from train_tools.settings.record import (
    HELP,
    change_settings,
    listed,
    read_settings,
    typed,
    unknown_keys,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "outputs" / "settings.toml"


def written(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def test_without_a_file_everything_has_its_default(file):
    assert read_settings(file) == UserSettings()
    assert not file.exists()


def test_every_setting_says_what_it_does():
    of_tables = {
        f"{table.name}.{each.name}"
        for table in fields(UserSettings)
        for each in fields(getattr(UserSettings(), table.name))
    }
    assert set(HELP) == of_tables


def test_the_first_change_writes_all_settings_with_what_they_do(file):
    changed = change_settings(file, {"news.desktop": True, "copies.folder": "/models/it's [Lora] кот"})
    assert read_settings(file) == changed
    assert (changed.news.desktop, changed.copies.folder) == (True, "/models/it's [Lora] кот")
    record = tomllib.loads(file.read_text(encoding="utf-8"))
    assert record["format"] == 1
    assert [f"{table}.{key}" for table in record if table != "format" for key in record[table]] == list(HELP)
    assert all(help_ in file.read_text(encoding="utf-8") for help_ in HELP.values())


def test_what_somebody_wrote_by_hand_stays(file):
    written(file, "# mine\nformat = 1\nx = 2\n[news]\nfuture = 3 # later\ndesktop = false\n")
    change_settings(file, {"news.desktop": True})
    assert file.read_text() == "# mine\nformat = 1\nx = 2\n[news]\nfuture = 3 # later\ndesktop = true\n"
    assert unknown_keys(file) == ("x", "news.future")


def test_a_file_saved_with_a_byte_order_mark_is_read(file):
    written(file, "\ufeffformat = 1\n[machine]\nkeep_awake = false\n")
    assert not read_settings(file).machine.keep_awake


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[news]\n\ndesktop = 1\n", "line 3: news.desktop = 1 can't be used: it has to be true or false"),
        (
            '[news]\nwhen = ["run_failed", "never"]',
            r'line 2: news.when = \["run_failed", "never"\].*a list of "run_f',
        ),
        ('[news]\nwhen = "run_failed"', "line 2: news.when = .run_failed. can't be used: it has to be a list"),
        ('[copies]\ncheckpoints = "best"', 'line 2: .* it has to be one of "final", "all"'),
        ("[copies]\ncheckpoints = [1]", 'line 2: copies.checkpoints = .1. .* one of "final", "all"'),
        ('[copies]\nfolder = "models/Lora"', "line 2: The folder 'models/Lora' .* has to be a whole path"),
        ("[copies]\nfolder = 2026-01-31", "line 2: copies.folder = 2026-01-31 .* a text in quotes"),
        ("[copies]\nfolder = {a = 1}", "line 2: copies.folder = .*a text in quotes"),
        ("news = 3", r"news = 3 is not a table\. Write \[news\]"),
        ("format = 2", "has format 2; this Train Tools reads formats up to 1"),
        ("format = true", "has format True"),
        ("[news]\ndesktop == true", "not valid TOML.*line 2"),
    ],
)
def test_what_can_not_be_used_is_told_with_its_place_and_left_as_it_is(file, text, says):
    written(file, text)
    with pytest.raises(StorageError, match=says):
        read_settings(file)
    with pytest.raises(StorageError, match=says):
        change_settings(file, {"machine.keep_awake": False})
    assert file.read_text(encoding="utf-8") == text


def test_a_file_that_is_no_text_is_told(file):
    written(file, "").write_bytes(b"\xff\xfe")
    with pytest.raises(StorageError, match="not UTF-8 text"):
        read_settings(file)
    file.unlink()
    file.mkdir()
    with pytest.raises(StorageError, match="Could not read"):
        read_settings(file)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"news.desktop": True, "machine.keep_awake": 1}, "machine.keep_awake = 1 .* true or false"),
        (
            {"news.desktop": True, "news.dekstop": True},
            "There is no setting 'news.dekstop'. Did you mean news.desktop",
        ),
        ({"news.desktop": True, "zzz": True}, "There is no setting 'zzz'. There are: copies.folder, "),
        ({"news.desktop": True, "copies.folder": "here"}, "'here' .* whole path"),
        ({"news.desktop": True, "news.when": None}, "news.when = None can't be used"),
    ],
)
def test_of_changes_that_can_not_all_be_made_none_is(file, changes, says):
    with pytest.raises(OptionValueError, match=says):
        change_settings(file, changes)
    assert not file.exists()


def test_values_are_typed_as_people_do():
    assert typed("news.desktop", " On ") is True
    assert typed("machine.keep_awake", "no") is False
    assert typed("news.when", "run_failed, queue_empty,") == ["run_failed", "queue_empty"]
    assert typed("news.when", "") == []
    assert typed("copies.folder", "/a b") == "/a b"
    with pytest.raises(OptionValueError, match="There is no setting"):
        typed("nothing", "1")


def test_a_home_in_a_folder_is_the_users(file):
    settings = change_settings(file, {"copies.folder": "~/webui/models/Lora"})
    assert settings.copies.place == Path.home() / "webui/models/Lora"
    assert settings.copies.folder == "~/webui/models/Lora"


def test_settings_are_listed_with_value_default_and_what_is_allowed(file):
    found = {each.key: each for each in listed(change_settings(file, {"news.when": ["queue_empty"]}))}
    assert list(found) == list(HELP)
    assert found["news.when"].value == ["queue_empty"]
    assert found["news.when"].default == list(Occasion)
    assert found["copies.checkpoints"].value == WhichCheckpoints.FINAL
    assert found["machine.keep_awake"].allowed == "true or false"
