"""What is to stay as the base model has it: samples of some subsets, the class, what masks leave out."""

from __future__ import annotations

import json

import pytest
import torch
from PIL import Image

from lora_engine.families import load
from lora_engine.job import read_job
from lora_engine.maths.precision import Precision
from lora_engine.output.reporting import Reporter
from lora_engine.recipes.inputs import encode_images
from lora_engine.recipes.learner import Learner
from lora_engine.recipes.resumption import steps_to_do


@pytest.fixture
def learner(tiny_models, tmp_path):
    """A learner on a picture and its mask, of whose left half nothing is to be learnt."""
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    image, mask = Image.new("RGB", (64, 64), "red"), Image.new("L", (64, 64), 255)
    image.paste("blue", (20, 0, 40, 64))
    mask.paste(0, (0, 0, 32, 64))
    image.save(tmp_path / "images" / "a.png")
    mask.save(tmp_path / "masks" / "a.png")

    def made(*options, base="sd1", **subset):
        subset = {"image_dir": str(tmp_path / "images"), "class_tokens": "flag", **subset}
        dataset = {"resolution": 64, "batch_size": 1, "subsets": [subset]}
        (tmp_path / "dataset.json").write_text(json.dumps({"datasets": [dataset]}), encoding="utf-8")
        words = [
            "--pretrained_model_name_or_path",
            tiny_models[base],
            "--dataset_config",
            tmp_path / "dataset.json",
        ]
        words += ["--output_dir", tmp_path / "out", "--seed", 1, "--learning_rate", "5e-3", "--network_dim", 4]
        job = read_job([str(word) for word in (*words, "--max_train_steps", 12, *options)])
        model = load(job.base)
        encoded = encode_images(job, model, None, Reporter(None))
        return Learner(job, model, encoded, Precision(torch.float32, torch.device("cpu")), print)

    return made


def train(learner):
    """The losses of the steps, what is to be kept included."""
    steps = list(steps_to_do(learner.job, learner.streams))
    return steps[0].batches[0], [learner.learn(step).loss.item() for step in steps]


@torch.no_grad()
def strayed(learner, batch, text):
    """How far the trained model's prediction of noise is from the base model's: H x W."""
    noisy = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    times = torch.tensor([500])
    now = learner.model.predict(noisy, times, text(), learner.draws.pictures.of(batch).sizes)
    learner.network.multiplier = 0.0
    base = learner.model.predict(noisy, times, text(), learner.draws.pictures.of(batch).sizes)
    learner.network.multiplier = 1.0
    return (now - base).square().mean((0, 1))


def test_a_subset_that_keeps_the_base_models_output_teaches_nothing_else(learner):
    plain, keeping = learner(), learner(custom_attributes={"diff_output_preservation": True})
    batch, losses = train(plain)
    assert min(losses) > 0.1
    _, kept = train(keeping)
    assert max(kept) == 0  # a new LoRA changes nothing, which is what is wanted

    assert strayed(keeping, batch, lambda: keeping.draws.text.of(batch)).max() == 0
    assert strayed(plain, batch, lambda: plain.draws.text.of(batch)).mean() > 1e-4


def test_the_class_stays_nearer_to_the_base_model_when_that_is_asked_for(learner):
    (caption,) = ({"class_tokens": "flag", "caption_prefix": "zwx"},)
    plain, keeping = learner(**caption), learner("--prior_preservation_weight", "20", **caption)
    batch, _ = train(plain)
    train(keeping)

    free = strayed(plain, batch, lambda: plain.draws.text.of_classes(batch)).mean()
    kept = strayed(keeping, batch, lambda: keeping.draws.text.of_classes(batch)).mean()
    assert kept < 0.6 * free


def test_what_a_mask_leaves_out_stays_nearer_to_the_base_model(learner, tmp_path):
    masks = {"conditioning_data_dir": str(tmp_path / "masks")}
    plain = learner("--masked_loss", **masks)
    keeping = learner("--masked_loss", "--masked_prior_weight", "20", **masks)
    batch, losses = train(plain)
    _, kept_losses = train(keeping)
    assert losses[0] == pytest.approx(kept_losses[0], rel=1e-5)  # nothing has strayed at the first step

    def outside(one):
        return strayed(one, batch, lambda: one.draws.text.of(batch))[:, :4].mean()

    assert outside(keeping) < 0.6 * outside(plain)


def test_sdxls_text_encoders_learn_each_at_its_own_rate(learner):
    moved = {}
    for rates in (("1e-3", "0"), ("0", "1e-3"), ("1e-3", "4e-3")):
        one = learner("--text_encoder_lr", *rates, "--unet_lr", "1e-3", base="sdxl")
        train(one)
        up = {name: weight for name, weight in one.network.weights().items() if name.endswith("lora_up.weight")}
        for encoder in ("te1", "te2"):
            tensors = [weight.detach().flatten() for name, weight in up.items() if encoder in name]
            moved[rates, encoder] = torch.cat(tensors).abs().max().item()
        if "0" not in rates:
            assert {name for group in one.groups for name in group.names} == {
                "textencoder 1",
                "textencoder 2",
                "unet",
            }

    assert moved[("1e-3", "0"), "te2"] == moved[("0", "1e-3"), "te1"] == 0
    assert moved[("1e-3", "0"), "te1"] > 0 < moved[("0", "1e-3"), "te2"]
    assert moved[("1e-3", "4e-3"), "te2"] > 2 * moved[("1e-3", "4e-3"), "te1"]
