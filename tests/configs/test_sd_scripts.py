"""Config files of sd-scripts, in and out. They are checked there neither for names nor for types."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sd_contract.errors import OptionError
from sd_contract.options import OPTIONS, OptionSpec, kohya_options, settings_from
from tests.configs.reading import import_text
from train_tools.configs import export, files
from train_tools.model.config import ConfigFormat, ExportedConfig, Fate, ImportedConfig
from train_tools.model.paths import VersionPaths
from train_tools.options.bundled import bundled_options
from train_tools.options.table import OptionTable, option_of

TABLE = bundled_options()
VERSION = VersionPaths(Path("/nowhere/cat/versions/v1"))


def export_run(options: Mapping[str, object], version: VersionPaths, name: str) -> ExportedConfig:
    return export.export_run(TABLE, options, version, name)


def imported(text: str, name: str = "config.toml") -> ImportedConfig:
    return import_text(name, text)


def fate_of(config: ImportedConfig, key: str) -> Fate:
    [fate] = [entry.fate for entry in config.entries if entry.key == key]
    return fate


def reason_of(config: ImportedConfig, key: str) -> str:
    [reason] = [entry.reason for entry in config.entries if entry.key == key]
    return reason


def test_sections_mean_nothing_and_the_last_of_two_values_counts():
    config = imported("network_dim = 4\n[a]\nnetwork_dim = 8\nlearning_rate = 1e-4\n[b]\nseed = 1\n")
    assert config.format is ConfigFormat.SD_SCRIPTS
    assert config.options == {"network_dim": 8, "learning_rate": 1e-4, "seed": 1}
    assert config.notes == ("network_dim stands in several sections; the last one counts, as in sd-scripts.",)


def test_a_table_inside_a_table_is_told():
    config = imported("network_dim = 4\n[a.b]\nnetwork_alpha = 8\n")
    assert config.options == {"network_dim": 4}
    assert fate_of(config, "a.b") is Fate.UNKNOWN


def test_the_same_keys_may_be_json():
    assert imported('{"network_dim": 8, "network_args": ["conv_dim=4"]}', "x.json").options == {
        "network_dim": 8,
        "network_args": ("conv_dim=4",),
    }


@pytest.mark.parametrize(
    ("line", "fate", "options"),
    [
        ('learning_rate = "1e-4"', Fate.CONVERTED, {"learning_rate": 1e-4}),
        ("resolution = 512", Fate.CONVERTED, {"resolution": "512"}),
        ("cache_latents = 1", Fate.CONVERTED, {"cache_latents": True}),
        ("text_encoder_lr = 5e-5", Fate.TAKEN, {"text_encoder_lr": (5e-5,)}),
        ("lr_warmup_steps = 100", Fate.TAKEN, {"lr_warmup_steps": 100}),
        ("lr_warmup_steps = 0.1", Fate.TAKEN, {"lr_warmup_steps": 0.1}),
        ('network_train_unet_only = "false"', Fate.NOT_USABLE, {}),
        ('save_precision = "float8"', Fate.NOT_USABLE, {}),
        ("network_dim = 8.5", Fate.NOT_USABLE, {}),
        ("network_dim = 2026-01-31", Fate.NOT_USABLE, {}),
        ("learning_rate = nan", Fate.NOT_USABLE, {}),
        ("network_dimm = 8", Fate.UNKNOWN, {}),
        ("full_fp16 = true", Fate.NOT_SUPPORTED, {}),
        ("full_fp16 = false", Fate.WITHOUT_EFFECT, {}),
        ("max_token_length = 75", Fate.WITHOUT_EFFECT, {}),
        ('wandb_api_key = "hidden"', Fate.REFUSED, {}),
        ('resume = "/states/1"', Fate.REFUSED, {}),
        ('network_module = "lycoris.kohya"', Fate.TAKEN, {"network_module": "lycoris.kohya"}),
        ('network_module = "networks.oft"', Fate.NOT_SUPPORTED, {}),
        ('network_module = "os"', Fate.REFUSED, {}),
        ('optimizer_type = "some.module.Optimizer"', Fate.REFUSED, {}),
        ('optimizer_type = "Wizardry"', Fate.NOT_USABLE, {}),
        ('lr_scheduler_type = "some.module.Scheduler"', Fate.REFUSED, {}),
        ('lr_scheduler_type = ""', Fate.WITHOUT_EFFECT, {}),
        ('output_dir = "/out"', Fate.LEFT_OUT, {}),
        ('vae = "relative.safetensors"', Fate.REFUSED, {}),
    ],
)
def test_what_becomes_of_a_line(line, fate, options):
    config = imported(f"seed = 1\n{line}\n")
    assert fate_of(config, line.partition(" ")[0]) is fate
    assert config.options == {"seed": 1, **options}
    assert "hidden" not in str(config)


def test_a_file_is_taken_when_it_is_here_and_runs_nothing(tmp_path):
    for name, fate in (("a.safetensors", Fate.TAKEN), ("a.ckpt", Fate.REFUSED), ("a.pt", Fate.REFUSED)):
        (tmp_path / name).write_bytes(b"")
        config = imported(f"seed = 1\nvae = '{tmp_path / name}'\n")
        assert fate_of(config, "vae") is fate
        assert config.options.get("vae", "") == (str(tmp_path / name) if fate is Fate.TAKEN else "")


def test_arguments_that_sd_scripts_would_ignore_without_a_word_are_told():
    config = imported('network_args = ["conv_alpha=1", "conv_dimm=8", "conv_dim=4"]\n')
    assert config.options == {"network_args": ("conv_dim=4", "conv_alpha=1")}
    [told] = config.of(Fate.NOT_SUPPORTED)
    assert (told.key, told.value) == ("network_args", "conv_dimm=8")
    assert "Did you mean 'conv_dim'" in told.reason


def test_options_that_contradict_each_other_are_told():
    config = imported("network_train_unet_only = true\nnetwork_train_text_encoder_only = true\n")
    assert any("can't be trained together" in note for note in config.notes)


def test_another_trainers_options_are_taken_where_it_has_them():
    options = (option_of(spec) for spec in kohya_options().values())
    table = OptionTable("kohya", options, lambda name: f"unknown {name!r}.")
    text = (
        'full_fp16 = true\nnetwork_module = "lycoris.kohya"\nnetwork_args = ["algo=lokr"]\n'
        'optimizer_type = "CAME"\noptimizer_args = ["a=1"]\nlr_scheduler_type = "evil.Scheduler"\n'
        'huggingface_token = "hidden"\n'
    )
    config = files.import_text("x.toml", text, table)
    assert config.options == {
        "full_fp16": True,
        "network_module": "lycoris.kohya",
        "network_args": ("algo=lokr",),
        "optimizer_type": "CAME",
        "optimizer_args": ("a=1",),
    }
    assert {entry.key for entry in config.of(Fate.REFUSED)} == {"lr_scheduler_type", "huggingface_token"}


def test_an_export_says_what_sd_scripts_would_else_not_know():
    exported = export_run({"network_dim": 8, "learning_rate": 1e-4}, VERSION, "cat v1")
    table = tomllib.loads(exported.text)
    assert table == {
        "network_module": "networks.lora",
        "optimizer_type": "AdamW",
        "network_dim": 8,
        "learning_rate": 1e-4,
        "train_data_dir": str(VERSION.processed),
        "caption_extension": ".txt",
        "output_dir": str(VERSION.trains / "sd-scripts"),
        "output_name": "cat v1",
    }
    assert exported.notes == ()


def test_options_of_ours_alone_are_left_out_and_told():
    exported = export_run({"state_every_n_steps": 5, "repeats": 3, "state_every_n_minutes": 5.0}, VERSION, "x")
    assert exported.notes == (
        "repeats was left out: sd-scripts has no such option.",
        "state_every_n_steps was left out: sd-scripts has no such option.",
    )
    assert all(f"# {note}" in exported.text for note in exported.notes)
    assert not {"repeats", "state_every_n_steps"} & set(tomllib.loads(exported.text))


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        ({"resolution": "512,768"}, 'resolution = "512,768"'),
        ({"lr_warmup_steps": 1.0}, "lr_warmup_steps = 1.0"),
        ({"lr_warmup_steps": 100}, "lr_warmup_steps = 100"),
        ({"learning_rate": 1}, "learning_rate = 1.0"),
        ({"text_encoder_lr": (1e-5, 0)}, "text_encoder_lr = [\n    1e-05,\n    0.0,\n]"),
        ({"network_args": ("conv_dim=4",)}, 'network_args = [\n    "conv_dim=4",\n]'),
        ({"shuffle_caption": False}, "shuffle_caption = false"),
        ({"training_comment": 'it\'s "кот"'}, 'training_comment = "it\'s \\"кот\\""'),
    ],
)
def test_types_are_those_that_sd_scripts_wants(options, lines):
    assert lines in export_run(options, VERSION, "x").text


def test_every_difference_of_defaults_is_known():
    """A default of ours that sd-scripts does not have is written out, so that both train the same."""
    known = kohya_options()
    differ = {
        name
        for name, option in TABLE.items()
        if name in known and option.spec.default not in (None, ()) and option.spec.default != known[name].default
    }
    assert differ == {"network_module", "optimizer_type"}


def value_of(spec: OptionSpec) -> st.SearchStrategy[object]:
    least = int(spec.minimum or 0)
    numbers = st.floats(min_value=float(least), max_value=1e6)
    if spec.choices:
        return st.sampled_from(spec.choices)
    return {
        "bool": st.booleans(),
        "int": st.integers(min_value=least, max_value=10**6),
        "float": numbers,
        "str": st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
        "int_or_float": st.integers(min_value=least, max_value=1000) | st.floats(min_value=0, max_value=1),
        "strings": st.just(("conv_dim=4",)),
        "floats": st.lists(numbers, min_size=1, max_size=2).map(tuple),
    }[spec.type]


FREE = [
    spec
    for spec in OPTIONS
    if not TABLE[spec.name].set_by_app
    and spec.name in kohya_options()
    and spec.name not in ("optimizer_args", "network_args", "resolution", "max_token_length")
    and not TABLE[spec.name].danger
    and spec.name not in ("network_weights", "base_weights")
]
OPTION_VALUES = st.lists(st.sampled_from(FREE), unique_by=lambda spec: spec.name, max_size=8).flatmap(
    lambda specs: st.fixed_dictionaries({spec.name: value_of(spec) for spec in specs})
)


@given(OPTION_VALUES)
def test_what_is_exported_comes_back_as_it_was(options):
    try:
        settings_from(options)
    except OptionError:
        assume(False)
    text = export_run(options, VERSION, "x").text
    back = imported(text)
    assert TABLE.canonical(back.options) == TABLE.canonical(options)
    assert [entry.key for entry in back.entries if entry.fate in (Fate.UNKNOWN, Fate.NOT_USABLE)] == []
    types = {name: type(value) for name, value in back.options.items() if name in options}
    assert types == {name: type(back.options[name]) for name in types}
    assert all(type(back.options[n]) is type(options[n]) for n in types if n == "lr_warmup_steps")
