"""Where curves go and what stands beside them, as sd-scripts' options say it."""

import time
from pathlib import Path

import pytest

from sd_contract.curves import curve_files, told_options
from sd_contract.errors import OptionError
from sd_contract.options import LoggingOptions, settings_from

MOMENT = time.struct_time((2026, 3, 4, 5, 6, 7, 0, 0, 0))


@pytest.fixture
def tracker(tmp_path):
    def write(text):
        path = tmp_path / "it's a tracker.toml"
        path.write_text(text, encoding="utf-8")
        return LoggingOptions(logging_dir="logs", log_tracker_config=str(path))

    return write


def refusal(options):
    with pytest.raises(OptionError) as caught:
        curve_files(options)
    return str(caught.value)


def test_without_a_folder_there_are_no_curves():
    assert curve_files(LoggingOptions(log_prefix="cat", log_config=True)) is None


def test_a_folder_is_named_by_prefix_and_time():
    files = curve_files(LoggingOptions(logging_dir="logs", log_prefix="кот_"))
    plain = curve_files(LoggingOptions(logging_dir="logs"))

    assert files.run_folder(MOMENT) == Path("logs/кот_20260304050607")
    assert plain.run_folder(MOMENT) == Path("logs/20260304050607")


def test_the_folder_inside_has_sd_scripts_name_or_a_given_one():
    named = LoggingOptions(logging_dir="logs", log_tracker_name="mine")

    assert curve_files(LoggingOptions(logging_dir="logs")).tracker == "network_train"
    assert curve_files(named).tracker == "mine"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"log_with": "tensorboard"}, 'log_with = "tensorboard" needs a folder to write to. Set logging_dir too.'),
        ({"log_with": "wandb", "logging_dir": "logs"}, 'log_with = "wandb" can\'t be used. Allowed: tensorboard.'),
    ],
)
def test_a_way_of_logging_that_can_not_be_is_refused(values, told):
    with pytest.raises(OptionError) as caught:
        settings_from(values)
    assert str(caught.value) == told


def test_a_tracker_file_sets_suffix_and_pace(tracker):
    files = curve_files(tracker('[tensorboard]\nflush_secs = 2\nfilename_suffix = ".cat"\nmax_queue = 5\n'))

    assert (files.suffix, files.flush_s) == (".cat", 2.0)


def test_tables_of_other_trackers_are_left_alone(tracker):
    assert curve_files(tracker('[wandb]\nname = "cat"\n')).suffix == ""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[tensorboard]\nflush = 1\n", "unknown key 'flush'. [tensorboard] takes flush_secs, filename_suffix"),
        ("flush_secs = 1\n", "'flush_secs' stands in no table. Put it into [tensorboard]."),
        ("[tensorboard]\nflush_secs = '1'\n", "flush_secs = '1': a number from 0 on is wanted."),
        ("[tensorboard]\nflush_secs = true\n", "flush_secs = True: a number from 0 on is wanted."),
        ("[tensorboard]\nflush_secs = nan\n", "flush_secs = nan: a number from 0 on is wanted."),
        ("[tensorboard]\nfilename_suffix = '/../x'\n", "a text for the end of a file name is wanted."),
        ("[tensorboard]\nfilename_suffix = 1\n", "a text for the end of a file name is wanted."),
        ("[tensorboard\n", "is not TOML"),
    ],
)
def test_a_tracker_file_that_can_not_be_used_is_refused(tracker, text, told):
    assert told in refusal(tracker(text))


def test_a_missing_tracker_file_is_refused():
    options = LoggingOptions(logging_dir="logs", log_tracker_config="gone.toml")

    assert refusal(options) == "log_tracker_config gone.toml can't be read: No such file or directory."


def test_the_options_told_are_those_with_values_and_no_folders():
    settings = settings_from(
        {"network_dim": 8, "text_encoder_lr": 1e-5, "output_dir": "secret", "logging_dir": "secret", "v2": True}
    )
    told = told_options(settings)

    assert (told["network_dim"], told["text_encoder_lr"], told["v2"]) == (8, "[1e-05]", True)
    assert "secret" not in told.values()
    assert None not in told.values()
    assert "seed" not in told
