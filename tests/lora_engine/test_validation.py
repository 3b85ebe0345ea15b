"""The validation loss: fixed, told as events and curves, and without a trace in what is trained."""

from __future__ import annotations

import json
import math

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from lora_engine.job import read_job
from lora_engine.output.reporting import Reporter
from lora_engine.recipes.lora import train_lora
from lora_engine.recipes.validation import fixed_timesteps
from sd_contract.attempt import Attempt
from sd_contract.events import Tail, Validated, from_line, to_line
from sd_contract.output.checkpoints import verify
from train_tools.scoring.scorers.validation import points_in

SPLIT = ("--validation_split", "0.25")


@pytest.fixture
def train(tiny_model, tmp_path, capfd):
    """Trains four steps of two epochs on four images; returns the LoRA's tensors and what was told."""
    (tmp_path / "images").mkdir()
    for number, colour in enumerate(("red", "green", "blue", "white")):
        image = Image.new("RGB", (64, 64), colour)
        image.paste("yellow", (0, 0, 20 + 4 * number, 64))
        image.save(tmp_path / "images" / f"{colour}.png")
    dataset = {"resolution": 64, "subsets": [{"image_dir": str(tmp_path / "images")}]}
    (tmp_path / "dataset.json").write_text(json.dumps({"datasets": [dataset]}), encoding="utf-8")

    def run(*options, name="lora"):
        words = ["--pretrained_model_name_or_path", tiny_model, "--dataset_config", tmp_path / "dataset.json"]
        words += ["--output_dir", tmp_path / "out", "--output_name", name, "--max_train_epochs", 2, "--seed", 7]
        words += [
            "--train_batch_size",
            2,
            "--learning_rate",
            "1e-3",
            "--network_dim",
            2,
            "--logging_dir",
            tmp_path / f"curves {name}",
        ]
        attempt = Attempt(tmp_path / f"attempt {name}")
        attempt.folder.mkdir()
        reporter = Reporter(attempt)
        train_lora(read_job([str(word) for word in (*words, *options)]), reporter)
        reporter.close()
        told = [event for event in Tail(attempt.events).events() if isinstance(event, Validated)]
        return load_file(tmp_path / "out" / f"{name}.safetensors"), told

    return run


def equal(first, second):
    return all(torch.equal(first[name], second[name]) for name in first.keys() | second.keys())


def test_the_loss_is_measured_after_each_epoch_and_after_so_many_steps(train, tmp_path):
    _, told = train(*SPLIT, "--validate_every_n_steps", "3")

    assert [(one.step, one.epoch, one.ends_epoch) for one in told] == [(2, 1, True), (3, 2, False), (4, 2, True)]
    assert all(math.isfinite(one.loss) and 0 < one.loss < 10 for one in told)
    points = points_in(tmp_path / "curves lora")
    close = pytest.approx
    assert points["loss/validation/epoch_average"] == {1: close(told[0].loss), 2: close(told[2].loss)}
    assert points["loss/validation/step_average"] == {3: close(told[1].loss)}
    average = points["loss/average"][4]
    assert points["loss/validation/epoch_divergence"][2] == close(told[2].loss - average, abs=1e-6)
    assert points["loss/validation/step_divergence"].keys() == {3}


def test_the_value_repeats_exactly_and_does_not_depend_on_the_trainings_seed(train):
    still = (*SPLIT, "--learning_rate", "1e-30")
    first, second = train(*still, name="a")[1], train(*still, "--seed", "8", name="b")[1]

    assert first == second
    assert len({one.loss for one in first}) == 1
    assert train(*still, "--validation_seed", "1", name="c")[1] != first


def test_measuring_changes_nothing_that_is_trained(train):
    often = ("--validate_every_n_steps", "1", "--sample_every_n_epochs", "1")
    assert equal(train(*SPLIT, name="a")[0], train(*SPLIT, *often[:2], name="b")[0])


@pytest.mark.parametrize(
    "options",
    [
        ("--flip_aug", "--shuffle_caption", "--caption_dropout_rate", "0.9"),
        ("--network_dropout", "0.5", "--network_args", "module_dropout=0.5"),
        ("--random_crop",),
        ("--dynamic_crop",),
    ],
)
def test_chance_in_the_training_is_none_in_the_measurement(train, options):
    still = (*SPLIT, "--learning_rate", "1e-30")
    assert train(*still, *options, name="a")[1] == train(*still, name="b")[1]


def test_images_that_are_kept_back_are_counted_apart(train, tmp_path):
    train(*SPLIT)
    told = verify(tmp_path / "out" / "lora.safetensors").metadata

    assert (told["ss_num_train_images"], told["ss_num_validation_images"]) == ("3", "1")
    assert (told["ss_validation_split"], told["ss_validation_seed"]) == ("0.25", "None")


def test_so_many_batches_are_measured_and_without_a_share_none(train):
    half = ("--validation_split", "0.5", "--train_batch_size", "1", "--learning_rate", "1e-30")
    both = train(*half, "--validate_every_n_epochs", "2", name="a")[1]
    one = train(*half, "--max_validation_steps", "1", "--max_train_epochs", "1", name="b")[1]
    assert [told.epoch for told in both] == [2]
    assert both[0].loss != one[0].loss
    assert train("--max_train_epochs", "1", name="c")[1] == []


def test_timesteps_lie_between_the_ends_of_the_range():
    assert fixed_timesteps(0, 1000) == (200, 400, 600, 800)
    assert fixed_timesteps(500, 1000) == (600, 700, 800, 900)
    assert fixed_timesteps(999, 1000) == (999,) * 4


def test_the_event_is_read_as_it_was_written():
    told = Validated(step=3, epoch=2, loss=0.25, ends_epoch=True)
    assert from_line(to_line(told)) == told
