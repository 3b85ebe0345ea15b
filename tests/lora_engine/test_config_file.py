"""`--output_config`: the options of a command line as the file that gives them again."""

import tomllib

import pytest

from lora_engine.config_file import config_written
from lora_engine.output.reporting import Reporter
from lora_engine.session import carry_out
from sd_contract.attempt import Attempt, read_result
from sd_contract.errors import OptionError
from sd_contract.options import read_settings

OPTIONS = ["--network_dim", "8", "--network_alpha", "1", "--network_args", "conv_dim=4", "conv_alpha=2", "--sdpa"]
OPTIONS += ["--learning_rate", "1e-4", "--text_encoder_lr", "1e-5", "--lr_warmup_steps", "5%"]
OPTIONS += ["--training_comment", 'it\'s "кот" 🌙 C:\\x']


def train(arguments, reporter):
    """What the scripts do, as far as it goes without a model."""
    return "done" if config_written(arguments, reporter) else "failed"


def test_the_file_gives_the_same_settings_again(tmp_path, awkward_name):
    path = tmp_path / f"{awkward_name}.toml"
    assert config_written([*OPTIONS, "--config_file", str(path), "--output_config"], Reporter(None))

    assert read_settings(["--config_file", str(path)]) == read_settings(OPTIONS)


def test_it_holds_what_is_not_as_default_and_nothing_else(tmp_path, capfd):
    config_written([*OPTIONS, "--output_config", "--config_file", str(tmp_path / "cat")], Reporter(None))

    assert tomllib.loads((tmp_path / "cat.toml").read_text(encoding="utf-8")) == {
        "network_dim": 8,
        "network_args": ["conv_dim=4", "conv_alpha=2"],
        "sdpa": True,
        "learning_rate": 1e-4,
        "text_encoder_lr": [1e-5],
        "lr_warmup_steps": 0.05,
        "training_comment": 'it\'s "кот" 🌙 C:\\x',
    }
    assert capfd.readouterr().out == f"saved config file: {tmp_path / 'cat.toml'}\n"


def test_a_file_that_is_there_is_never_overwritten(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("network_dim = 64\n", encoding="utf-8")
    attempt = Attempt(tmp_path)
    words = ["--network_dim", "8", "--output_config", "--config_file", str(path)]

    assert carry_out(train, words, {"TRAIN_TOOLS_EVENTS": str(attempt.events)}) == 1
    assert "mine.toml exists already. Choose another name" in read_result(attempt).message
    assert path.read_text(encoding="utf-8") == "network_dim = 64\n"


def test_leaving_after_the_file_is_a_success(tmp_path):
    attempt = Attempt(tmp_path)
    words = ["--output_config", "--config_file", str(tmp_path / "new.toml")]

    assert carry_out(train, words, {"TRAIN_TOOLS_EVENTS": str(attempt.events)}) == 0
    assert read_result(attempt).outcome == "done"


def test_without_the_wish_nothing_is_written(tmp_path):
    assert not config_written(["--config_file", str(tmp_path / "new.toml")], Reporter(None))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--output_config"], "output_config writes the file that --config_file names. Give that name too."),
        (["--output_config", "--config_file", "gone/cat.toml"], "cat.toml can't be written: No such file"),
        (["--output_config", "--config_file", "cat.toml", "--network_dim", "x"], "network_dim = x"),
        (
            ["--output_config", "--config_file", "cat.toml", "--dim_from_weights"],
            "dim_from_weights takes ranks from network_weights",
        ),
    ],
)
def test_what_can_not_be_written_is_told(tmp_path, monkeypatch, words, told):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OptionError) as caught:
        config_written(words, Reporter(None))

    assert told in str(caught.value)
    assert list(tmp_path.iterdir()) == []
