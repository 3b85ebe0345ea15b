"""The process that measures: what it asks, and how it ends when it is stopped or can't begin. That it tells
good from bad is tested with real runs in `tests/app/test_scores.py`."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from benchmarks.pocket.blueprint import Blueprint, build
from benchmarks.pocket.single_file import save
from lora_engine.families import load
from lora_engine.maths.streams import Streams
from lora_engine.networks.lora import LoraNetwork
from sd_contract.attempt import EVENTS_VARIABLE, Attempt, read_result
from sd_contract.base_models.base_model import inspect_trainable
from sd_contract.errors import DatasetError
from tests.lora_engine.lessons import POCKET
from tests.scoring import tiny
from train_tools.scoring.measured import Measured, Measurement, keep, kept
from train_tools.scoring.measuring_process.fixed_noise import STEP_PX, Measuring, _item, timesteps_of
from train_tools.scoring.measuring_process.tagging import tags_of
from train_tools.scoring.measuring_process.viewing import Gaze, Viewer, plain_words
from train_tools.scoring.request import (
    CaptionedImage,
    Missing,
    ScoreRequest,
    Series,
    Shown,
    Wanted,
    read_request,
    write_request,
)
from train_tools.scoring.scorers.fixed_noise import file_of


@pytest.fixture
def request_of_one(tmp_path: Path) -> ScoreRequest:
    Image.new("RGB", (64, 64), "red").save(tmp_path / "猫.png")
    measurement = Measurement(base="b", dataset="d")
    series = Series(
        base_model=str(POCKET),
        measurement=measurement,
        images=(CaptionedImage(image=str(tmp_path / "猫.png"), caption="a cat"),),
        wanted=(Wanted(checkpoint=None, file=str(file_of(Measured(tmp_path / "scores"), measurement, ""))),),
    )
    return ScoreRequest(
        missing=Missing(series=(series,)),
        cache=str(tmp_path / "cache"),
        weights=str(tmp_path / "weights"),
        device="cpu",
    )


def process(folder: Path, request: ScoreRequest, *, stopped: bool = False) -> Attempt:
    attempt = Attempt(folder / "attempt")
    attempt.folder.mkdir()
    if stopped:
        attempt.stop.touch()
    subprocess.run(
        [
            sys.executable,
            "-m",
            "train_tools.scoring.measuring_process",
            write_request(attempt.folder, request),
        ],
        env={**os.environ, EVENTS_VARIABLE: str(attempt.events)},
        check=False,
        timeout=120,
    )
    return attempt


def test_a_request_is_read_as_it_was_written(tmp_path, request_of_one):
    assert read_request(write_request(tmp_path, request_of_one)) == request_of_one


def test_each_image_meets_each_quarter_of_the_schedule_and_always_the_same():
    for number in range(20):
        timesteps = timesteps_of(number).tolist()
        assert [step // 250 for step in timesteps] == [0, 1, 2, 3]
        assert timesteps == timesteps_of(number).tolist()
    assert len({tuple(timesteps_of(number).tolist()) for number in range(20)}) == 20


@pytest.mark.parametrize(
    ("size", "seen"),
    [
        ((64, 64), (64, 64)),
        ((130, 70), (128, 64)),
        ((20, 20), (64, 64)),
        ((40, 300), (64, 64)),
        ((900, 900), (64, 64)),
    ],
)
def test_images_are_seen_in_whole_steps(tmp_path, size, seen):
    Image.new("RGB", size).save(tmp_path / "x.png")
    item = _item(CaptionedImage(image=str(tmp_path / "x.png"), caption=""), 128 if seen == (128, 64) else STEP_PX)
    assert item.placement.bucket == seen


def test_an_image_that_is_gone_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"gone\.png"):
        _item(CaptionedImage(image=str(tmp_path / "gone.png"), caption=""), STEP_PX)


def test_stopped_before_it_begins_it_measures_nothing(tmp_path, request_of_one):
    attempt = process(tmp_path, request_of_one, stopped=True)
    assert read_result(attempt).outcome == "cancelled"
    assert kept(Path(request_of_one.missing.series[0].wanted[0].file)) is None


def test_a_base_model_that_is_gone_is_named(tmp_path, request_of_one):
    series = replace(request_of_one.missing.series[0], base_model=str(tmp_path / "gone.safetensors"))
    result = read_result(process(tmp_path, replace(request_of_one, missing=Missing(series=(series,)))))
    assert result.outcome == "failed"
    assert "gone.safetensors does not exist" in result.message


def test_numbers_are_known_by_the_content_of_what_they_were_measured_on(tmp_path):
    measured, one = Measured(tmp_path), Measurement(base="b", dataset="d")
    file = file_of(measured, one, "lora")
    assert file == file_of(measured, Measurement(base="b", dataset="d"), "lora")
    others = [replace(one, base="c"), replace(one, dataset="e"), replace(one, clip_skip=2), replace(one, vae="v")]
    assert len({file, file_of(measured, one, ""), *(file_of(measured, each, "lora") for each in others)}) == 6
    keep(file, {"losses": [[1.0]]})
    assert kept(file)["losses"] == [[1.0]]
    file.write_text('{"format": 99}')
    assert kept(file) is None


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_models_of_every_family_are_measured_and_are_themselves_again_afterwards(tmp_path, request_of_one, family):
    base = tmp_path / f"{family}.safetensors"
    save(build(Blueprint.of_width(8, family), seed=1), base, title=family)
    series = replace(request_of_one.missing.series[0], base_model=str(base))
    measuring = Measuring(series, tmp_path / "cache", torch.device("cpu"))
    measuring.use(None)
    before = measuring.losses(lambda: False)
    measuring.use(random_lora(base, tmp_path / "lora.safetensors"))
    with_lora = measuring.losses(lambda: False)
    measuring.use(None)
    assert measuring.losses(lambda: False) == before
    assert [len(losses) for losses in with_lora] == [4]
    assert all(loss is not None and loss > 0 for loss in with_lora[0])
    assert with_lora != before


def random_lora(base: Path, file: Path) -> Path:
    model = load(inspect_trainable(base))
    network = LoraNetwork.attach(model.unet, model.text_encoder, rank=2, alpha=2.0, streams=Streams(1))
    with torch.no_grad():
        for module in network.modules.values():
            module.up.normal_(generator=torch.Generator().manual_seed(3))
    save_file(network.tensors(torch.float32), file)
    return file


def test_prompts_are_read_by_models_as_people_say_them():
    assert plain_words(r"(red_rose:1.2), [a \(wide\)] field BREAK ((sky))") == "red_rose, a (wide) field sky"
    assert tags_of("Red_Rose, , (blue sky:0.8), ^_^") == ["red rose", "blue sky", "^_^"]


def test_a_picture_is_compared_with_each_training_image_and_with_its_prompt(tmp_path):
    """By hand: the mean cosine to the training images, those to one another, and the cosine to the text."""
    files = {name: tmp_path / f"{name}.png" for name in ("red", "green", "blue")}
    for name, file in files.items():
        Image.new("RGB", (40, 24), name).save(file)
    viewer = Viewer("clip", tiny.clip(tmp_path / "clip"), torch.device("cpu"))
    red, green, blue = (viewer.picture(Image.open(file)) for file in files.values())
    gaze = Gaze(viewer, [str(files["red"]), str(files["green"]), str(tmp_path / "gone.png")])
    (row,) = gaze.rows([Shown(file=str(files["blue"]), prompt="(a cat:1.1)"), Shown(file="gone", prompt="")])
    assert row["likeness"] == pytest.approx(float(blue @ red + blue @ green) / 2, abs=1e-6)
    assert row["adherence"] == pytest.approx(float(blue @ viewer.text("a cat")), abs=1e-6)
    assert gaze.among_training == pytest.approx(float(red @ green), abs=1e-6)
    assert float(viewer.text("a cat") @ viewer.text("a dog " * 100)) < 0.9999
