"""LoRA tools as jobs, from the order to the file."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from train_tools.app import LIGHT, App, open_app
from train_tools.errors import AlreadyExistsError, NotFoundError, OptionValueError, TrainToolsError
from train_tools.model.job import JobState
from train_tools.model.lora_tool import ConvertWish, ExtractWish, MergeWish, ResizeWish

LAYER = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"


@pytest.fixture
def app(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    app = open_app(tmp_path / "outputs")
    yield app
    app.jobs.queue.close()


@pytest.fixture
def lora(tmp_path):
    path = tmp_path / "my [zorb] 猫.safetensors"
    numbers = np.random.default_rng(0)
    save_file(
        {
            f"{LAYER}.lora_up.weight": numbers.normal(size=(8, 4)).astype(np.float32),
            f"{LAYER}.lora_down.weight": numbers.normal(size=(4, 8)).astype(np.float32),
            f"{LAYER}.alpha": np.array(2, np.float32),
        },
        path,
        {"ss_base_model_version": "sd_v1"},
    )
    return path


def change(path):
    found = load_file(path)
    down = found[f"{LAYER}.lora_down.weight"]
    return found[f"{LAYER}.alpha"] / len(down) * found[f"{LAYER}.lora_up.weight"] @ down


def worked(app: App, wish, output):
    job = app.lora_tools.start(wish, output)
    assert job.kind in LIGHT
    assert app.jobs.worker().run(until=lambda: app.jobs.get(job.id).state.finished)
    return app.jobs.get(job.id)


def test_a_merge_is_a_light_job_and_exact(app, lora, tmp_path):
    out = app.lora_tools.place("it's both")
    job = worked(app, MergeWish(models=(lora, lora), ratios=(0.5, -2), blocks=("IN01=2", "IN01=0.5")), out)
    assert (job.state, job.message) == (JobState.DONE, f"Written: {out}")
    assert np.abs(change(out) - (0.5 * 2 - 2 * 0.5) * change(lora)).max() < 1e-6
    assert app.lora_tools.inspect(out).ranks == {8: 1}


def test_resizing_and_converting_are_jobs_too(app, lora, tmp_path):
    small, other = tmp_path / "small.safetensors", tmp_path / "other.safetensors"
    assert (
        worked(app, ResizeWish(model=lora, rank=3, method="sv_ratio", parameter=1e4), small).state is JobState.DONE
    )
    u, s, vh = np.linalg.svd(change(lora))
    assert np.abs(change(small) - (u[:, :3] * s[:3]) @ vh[:3]).max() < 1e-5
    assert app.lora_tools.inspect(small).ranks == {3: 1}
    assert worked(app, ConvertWish(model=lora, scheme="peft"), other).state is JobState.DONE
    assert sorted(load_file(other))[0].startswith(
        "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    )


def test_a_job_that_fails_says_why_and_leaves_no_file(app, lora, tmp_path):
    tensors = load_file(lora)
    tensors[f"{LAYER}.lora_up.weight"][0, 0] = np.nan
    spoilt, out = tmp_path / "spoilt.safetensors", tmp_path / "out.safetensors"
    save_file(tensors, spoilt)
    job = worked(app, MergeWish(models=(spoilt,)), out)
    assert (job.state, out.exists()) == (JobState.FAILED, False)
    assert "is spoilt" in job.message


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        (MergeWish(models=()), "no LoRA to merge"),
        (MergeWish(models=("lora",), ratios=(1, 2)), "2 ratios for 1 LoRAs"),
        (MergeWish(models=("lora",), into="lora", rank=4), "a base model has no rank"),
        (MergeWish(models=("lora",), precision="fp8"), "no precision 'fp8'"),
        (MergeWish(models=("lora",), rank=0), "at least 1"),
        (ResizeWish(model="lora", rank=0), "at least 1"),
        (ResizeWish(model="lora", rank=2, method="sv_fro"), "belong together"),
        (ResizeWish(model="lora", rank=2, method="svd", parameter=1), "no method 'svd'"),
        (ExtractWish(original="lora", tuned="lora", conv_rank=0), "at least 1"),
        (ConvertWish(model="lora", scheme="a1111"), "no scheme 'a1111'"),
    ],
)
def test_wishes_that_make_no_sense_queue_nothing(wish, told, app, lora, tmp_path):
    from dataclasses import replace

    for field in ("model", "into", "original", "tuned"):
        if getattr(wish, field, None):
            wish = replace(wish, **{field: lora})
    if getattr(wish, "models", None):
        wish = replace(wish, models=(lora,))
    with pytest.raises(OptionValueError, match=f"(?i){told}"):
        app.lora_tools.start(wish, tmp_path / "x.safetensors")
    assert app.jobs.all() == []


def test_places_that_can_not_be_written_are_told(app, lora, tmp_path):
    wish = ConvertWish(model=lora)
    with pytest.raises(OptionValueError, match="one of the files"):
        app.lora_tools.start(wish, lora, replace=True)
    with pytest.raises(OptionValueError, match="ends in"):
        app.lora_tools.start(wish, tmp_path / "x.pt")
    (tmp_path / "there.safetensors").write_text("mine")
    with pytest.raises(AlreadyExistsError):
        app.lora_tools.start(wish, tmp_path / "there.safetensors")
    with pytest.raises(NotFoundError, match="does not exist"):
        app.lora_tools.start(ConvertWish(model=tmp_path / "none"), tmp_path / "x.safetensors")
    with pytest.raises(TrainToolsError):
        app.lora_tools.place("../x")
    assert app.jobs.all() == []
