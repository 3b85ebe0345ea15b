"""Runs with two places for their weights: schedule-free optimizers, and the running average of `ema_decay`."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from lora_engine.job import read_job
from lora_engine.maths.averages import WeightAverage
from lora_engine.output.reporting import Reporter
from lora_engine.output.states import read_tree
from lora_engine.recipes.lora import train_lora
from sd_contract.errors import OptionError
from sd_contract.options import settings_from

FREE = ("--optimizer_type", "AdamWScheduleFree")
PLUS = ("--optimizer_type", "ProdigyPlusScheduleFree", "--learning_rate", "1", "--optimizer_args", "d0=1e-4")
AVERAGE = ("--ema_decay", "0.9")


@pytest.fixture
def train(tiny_model, dataset, tmp_path, capfd):
    """Trains six steps; returns the tensors of a file, of the last one unless told."""

    def run(*options, name="lora", file=None):
        words = ["--pretrained_model_name_or_path", tiny_model, "--dataset_config", dataset, "--seed", 7]
        words += ["--output_dir", tmp_path / "out", "--output_name", name, "--max_train_steps", 6]
        words += ["--learning_rate", "1e-3", "--network_dim", 2, "--network_train_unet_only", "--save_state"]
        train_lora(read_job([str(word) for word in (*words, *options)]), Reporter(None))
        return load_file(tmp_path / "out" / (file or f"{name}.safetensors"))

    return run


def equal(first, second):
    return all(torch.equal(first[name], second[name]) for name in first.keys() | second.keys())


@pytest.mark.parametrize("options", [FREE, PLUS, AVERAGE], ids=["schedule-free", "prodigy plus", "average"])
def test_saving_in_between_and_going_on_from_there_change_no_bit(train, tmp_path, options):
    whole = train(*options, name="whole")
    often = train(*options, "--save_every_n_steps", "2", name="often")
    assert equal(whole, often)
    resumed = train(*options, "--resume", tmp_path / "out" / "often-step00000004-state", name="resumed")
    assert equal(whole, resumed)
    state = trained(tmp_path, "often-step00000004")
    saved = load_file(tmp_path / "out" / "often-step00000004.safetensors")
    assert any(not torch.equal(state[name], saved[name]) for name in state)  # the trained ones, and their average


def test_the_average_is_saved_and_the_weights_go_on_by_themselves(train, tmp_path):
    plain = train("--save_every_n_steps", "1", name="plain")
    averaged = train(*AVERAGE, name="averaged")
    assert not equal(plain, averaged)
    assert equal(trained(tmp_path, "averaged"), only_weights(plain))
    saved = [only_weights(load_file(tmp_path / "out" / f"plain-step{n:08}.safetensors")) for n in range(1, 6)]
    weights = [*saved, only_weights(plain)]
    name = next(name for name in weights[0] if name.endswith("lora_down.weight"))
    found = train("--max_train_steps", "1", "--learning_rate", "1e-30", name="beginning")[name].double()
    for step, now in enumerate(weights, start=1):
        decay = min(0.9, (1 + step) / (10 + step))
        found = decay * found + (1 - decay) * now[name].double()
    torch.testing.assert_close(averaged[name].double(), found, rtol=0, atol=1e-7)


def only_weights(tensors):
    return {name: tensor for name, tensor in tensors.items() if not name.endswith(".alpha")}


def trained(tmp_path, name):
    """The weights as they are trained on, out of a state."""
    return read_tree(tmp_path / "out" / f"{name}-state")["network"]


def test_the_average_forgets_its_beginning_first():
    average = WeightAverage({"a": torch.zeros(1)}, decay=0.5)
    for step, wanted in ((1, 1 - 2 / 11), (2, 1 - 2 / 11 * 3 / 12)):
        average.follow({"a": torch.ones(1)}, step)
        assert average.weights["a"].item() == pytest.approx(wanted)
    for step in range(3, 60):
        average.follow({"a": torch.full((1,), 3.0)}, step)
    average.follow({"a": torch.full((1,), 5.0)}, 60)
    assert average.weights["a"].item() == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"ema_decay": 1.0}, "ema_decay = 1 would never learn"),
        (
            {"ema_decay": 0.9, "optimizer_type": "RAdamScheduleFree"},
            "keeps an average of the LoRA, and RAdamSched",
        ),
    ],
)
def test_averages_that_make_no_sense_are_refused(values, words):
    with pytest.raises(OptionError, match=words):
        settings_from(values)
