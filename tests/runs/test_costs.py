from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from train_tools.model.job import Job, JobState
from train_tools.runs.costs import HEADER_BYTES_PER_LAYER, checkpoint_bytes, measured_pace, work_of

UNET = "model.diffusion_model.input_blocks.1.1."
TEXT = "cond_stage_model.transformer.text_model.encoder.layers.0."


@pytest.fixture
def base_model(tmp_path: Path) -> Path:
    """Two trained layers of the U-Net, one of the text encoder, and what is never trained."""
    shapes = {
        UNET + "transformer_blocks.0.attn1.to_q.weight": (32, 48),
        UNET + "proj_in.weight": (32, 16, 1, 1),
        UNET + "transformer_blocks.0.norm1.weight": (32,),
        UNET + "transformer_blocks.0.attn1.to_out.0.bias": (32,),
        "model.diffusion_model.input_blocks.0.0.weight": (320, 4, 3, 3),
        TEXT + "self_attn.q_proj.weight": (8, 8),
        "first_stage_model.encoder.mid.attn_1.q.weight": (64, 64, 1, 1),
    }
    path = tmp_path / "base.safetensors"
    save_file({name: np.zeros(shape, np.float16) for name, shape in shapes.items()}, path)
    return path


def test_a_checkpoints_size_is_rank_times_the_sides_of_the_trained_layers(base_model):
    sides, layers = (32 + 48) + (32 + 16) + (8 + 8), 3
    header = layers * HEADER_BYTES_PER_LAYER
    assert checkpoint_bytes({"network_dim": 8}, base_model) == 8 * sides * 4 + header
    assert checkpoint_bytes({"network_dim": 8, "save_precision": "fp16"}, base_model) == 8 * sides * 2 + header
    assert checkpoint_bytes({}, base_model) == 4 * sides * 4 + header


def test_a_part_that_is_not_trained_takes_no_room(base_model):
    unet = checkpoint_bytes({"network_train_unet_only": True}, base_model)
    text = checkpoint_bytes({"network_train_text_encoder_only": True}, base_model)
    assert text == 4 * 16 * 4 + HEADER_BYTES_PER_LAYER
    assert unet + text == checkpoint_bytes({}, base_model)


def test_a_pickled_base_model_is_measured_as_well(base_model, tmp_path):
    pickled = tmp_path / "base.ckpt"
    torch.save({name: torch.from_numpy(tensor) for name, tensor in load_file(base_model).items()}, pickled)
    options = {"network_dim": 8}
    assert checkpoint_bytes(options, pickled) == checkpoint_bytes(options, base_model) > 0


def test_a_file_that_tells_nothing_is_no_reason_not_to_plan(tmp_path):
    file = tmp_path / "base.safetensors"
    file.write_bytes(b"not a model")
    assert checkpoint_bytes({"network_dim": 8}, file) == 0


def test_a_base_model_that_was_replaced_is_looked_at_again(base_model):
    before = checkpoint_bytes({}, base_model)
    save_file({UNET + "proj_in.weight": np.zeros((8, 8, 1, 1), np.float16)}, base_model)
    assert checkpoint_bytes({}, base_model) == 4 * 16 * 4 + HEADER_BYTES_PER_LAYER < before


@pytest.mark.parametrize(
    ("options", "pixels"),
    [
        ({"resolution": "512,768", "train_batch_size": 2}, 2 * 512 * 768),
        ({"resolution": "64"}, 64 * 64),
        ({"resolution": " 64 , 128 "}, 64 * 128),
        ({}, 512 * 512),
    ],
)
def test_a_steps_work_is_batch_times_pixels_times_the_base_models_size(base_model, options, pixels):
    assert work_of(options, base_model) == pixels * base_model.stat().st_size


def done(steps: int, work: float, start: float, stepping: float, end: float, kind: str = "train") -> Job:
    return Job(
        id=1,
        kind=kind,
        title="",
        folder="",
        subject={"work": work},
        state=JobState.DONE,
        attempt=1,
        position=1,
        total_steps=steps,
        started_at=start,
        steps_started_at=stepping,
        finished_at=end,
    )


def test_the_pace_is_the_median_of_what_was_measured():
    jobs = [done(11, 100.0, 0, start, start + seconds) for start, seconds in ((5, 10), (7, 30), (6, 1000))]
    pace = measured_pace(jobs)
    assert pace.seconds(steps=10, work=100.0) == pytest.approx(6 + 10 * 100.0 * 0.03)
    assert "3 finished runs" in pace.source


def test_what_was_no_training_or_has_no_times_is_not_measured():
    assert measured_pace([]) is None
    without_times = replace(done(11, 100.0, 0, 1, 2), steps_started_at=None)
    others = [done(11, 100.0, 0, 1, 2, kind="preview"), done(1, 100.0, 0, 1, 2), done(11, 0.0, 0, 1, 2)]
    assert measured_pace([*others, without_times]) is None
