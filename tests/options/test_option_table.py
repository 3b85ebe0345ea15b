from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sd_contract.options import OPTIONS
from tests.contract.bundled_options import written
from tests.contract.source import ROOT
from train_tools.errors import OptionValueError
from train_tools.options.bundled import bundled_options
from train_tools.options.option import Danger
from train_tools.options.table import engine_options

TABLE = bundled_options()
RECORD = ROOT / "tests" / "golden" / "bundled_options.json"
SETTABLE = [name for name, option in TABLE.items() if not option.refusal]


def test_the_table_has_every_option_of_the_engine_in_its_order():
    engine = engine_options(bundled_options())
    assert list(engine) == [spec.name for spec in OPTIONS]
    assert bundled_options().keys() - engine.keys() == {"dataset", "repeats", "captions"}
    assert len({option.label for option in bundled_options().values()}) == len(bundled_options())


def test_the_table_is_the_one_that_is_recorded():
    """Runs and grids of users are made of it; `python -m tests.contract.bundled_options` prints it anew."""
    assert written() == RECORD.read_text(encoding="utf-8")


def test_options_that_name_code_or_files_are_marked():
    dangers = {name: option.danger for name, option in bundled_options().items() if option.danger}
    assert dangers == {
        "network_module": Danger.CODE,
        "pretrained_model_name_or_path": Danger.PATH,
        "tokenizer_cache_dir": Danger.PATH,
        "sample_prompts": Danger.PATH,
        "network_weights": Danger.PATH,
        "diff_load_1st_pass": Danger.PATH,
        "original_image": Danger.PATH,
        "target_image": Danger.PATH,
        "base_weights": Danger.PATH,
        "log_tracker_config": Danger.PATH,
        "vae": Danger.PATH,
    }


@pytest.mark.parametrize(
    "name",
    ["output_dir", "output_name", "dataset_config", "train_data_dir", "caption_extension", "console_log_file"],
)
def test_an_option_that_the_app_sets_is_refused(name):
    with pytest.raises(OptionValueError, match=f"{name} can't be set: Train Tools chooses it"):
        TABLE.settable(name)


@pytest.mark.parametrize(
    ("typed", "meant"), [("network_dims", "network_dim"), ("Base Model", "pretrained_model_name_or_path")]
)
def test_an_unknown_option_is_told_with_the_nearest_name(typed, meant):
    with pytest.raises(OptionValueError, match=f"unknown option {typed!r}") as refusal:
        TABLE.settable(typed)
    assert meant in str(refusal.value)


def test_an_option_of_other_trainers_is_told_not_to_be_supported_yet():
    with pytest.raises(OptionValueError, match="'deepspeed' is not supported by the bundled engine"):
        TABLE.settable("deepspeed")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("network_dim", "16", 16),
        ("learning_rate", "1e-4", 0.0001),
        ("learning_rate", "1", 1.0),
        ("lr_warmup_steps", "1", 1),
        ("lr_warmup_steps", "0.1", 0.1),
        ("shuffle_caption", "true", True),
        ("optimizer_type", "adamw", "AdamW"),
        ("text_encoder_lr", "5e-5 1e-5", (5e-5, 1e-5)),
        ("resolution", "512,768", "512,768"),
        ("training_comment", "it's кот", "it's кот"),
    ],
)
def test_a_text_becomes_a_value_of_the_options_type(name, text, value):
    found = TABLE.value_from_text(name, text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("network_dim", "eight"),
        ("network_dim", "8.0"),
        ("network_dim", "0"),
        ("learning_rate", "nan"),
        ("learning_rate", "-1"),
        ("shuffle_caption", "yes"),
        ("optimizer_type", "Wizardry"),
        ("optimizer_args", "weight_decay='0.1"),
    ],
)
def test_a_text_that_is_no_value_is_told_with_the_option(name, text):
    with pytest.raises(OptionValueError, match=name):
        TABLE.value_from_text(name, text)


@pytest.mark.parametrize(("name", "value"), [("network_dim", True), ("network_dim", 8.0), ("shuffle_caption", 1)])
def test_a_value_of_another_type_is_not_taken_for_one(name, value):
    with pytest.raises(OptionValueError, match=name):
        TABLE.checked_value(name, value)


@pytest.mark.parametrize(
    ("name", "value"), [("training_comment", "a\udcff"), ("optimizer_args", ["eps=1e-8", "\ud800"])]
)
def test_what_is_no_text_is_refused(name, value):
    with pytest.raises(OptionValueError, match=f"{name} = .* is not UTF-8 text"):
        TABLE.checked_value(name, value)


@given(st.sampled_from(SETTABLE), st.text())
def test_any_text_is_a_value_or_an_error_in_words(name, text):
    try:
        value = TABLE.value_from_text(name, text)
    except OptionValueError as error:
        assert name in str(error)
    else:
        assert TABLE.checked_value(name, value) == value


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
)


@given(st.sampled_from(SETTABLE), VALUES)
def test_any_value_of_a_file_is_taken_or_an_error_in_words(name, value):
    try:
        taken = TABLE.checked_value(name, value)
    except OptionValueError as error:
        assert name in str(error)
    else:
        assert TABLE.checked_value(name, taken) == taken


def test_defaults_and_what_does_not_decide_the_result_are_no_part_of_the_canonical_options():
    given_options = {
        "pretrained_model_name_or_path": "/a.safetensors",
        "training_comment": "mine",
        "train_batch_size": 1,
        "network_dim": 8,
        "learning_rate": 1,
    }
    assert TABLE.canonical(given_options) == {"learning_rate": 1.0, "network_dim": 8}
    assert list(TABLE.canonical(given_options)) == ["learning_rate", "network_dim"]
