"""Pictures of SD2 and SDXL models with a LoRA or a LoCon against those of diffusers' own pipelines, which load the
same file."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler
from safetensors.torch import load_file, save_file

from benchmarks.pocket.blueprint import Blueprint, build
from benchmarks.pocket.single_file import save
from lora_engine.families import load
from lora_engine.maths.streams import Streams
from lora_engine.networks.lora import LoraNetwork
from lora_engine.output.pictures import new_scheduler
from sd_contract.base_models.base_model import inspect_trainable
from sd_contract.networks import LAYOUTS, NetworkPlan, Rank
from sd_contract.tensors.tensor_files import file_sha256
from tests.lora_engine.pipelines import pipeline_of
from tests.renderers.scene import pixels_of, render
from train_tools.model.preview import Picture
from train_tools.previews.matrix import BaseModelFile
from train_tools.previews.renderer import RenderRequest, WantedPicture
from train_tools.renderers.diffusers import DiffusersRenderer

LARGEST_DIFFERENCE = 1
"""Of 255 levels. Measured: 0 in every pixel."""
PICTURE = Picture(
    base="",
    lora="zorb",
    weight=0.7,
    prompt="a blue square on a pink background",
    negative_prompt="red",
    seed=5,
    width_px=64,
    height_px=96,
    steps=6,
    guidance=5.0,
    sampler="ddim",
    clip_skip=1,
)


def lora_for(model, path, conv=None):
    """A LoRA with random weights, or with ranks for convolutions a LoCon."""
    plan = NetworkPlan(layout=LAYOUTS[model.base.family], rank=Rank(4, 2), large=conv and Rank(*conv))
    network = LoraNetwork.planned(model.unet, model.text_encoder, plan, streams=Streams(1))
    random = torch.Generator().manual_seed(1)
    tensors = network.tensors()
    network.detach()
    save_file(
        {
            name: 0.5 * torch.randn(tensor.shape, generator=random) if "lora_up" in name else tensor
            for name, tensor in tensors.items()
        },
        path,
    )
    return path


def diffusers_picture(model, lora):
    """diffusers' picture with the LoRA that it loads itself. Of SD2 it does not take projections as
    convolutions of one pixel, as kohya's files keep them."""
    pipeline = pipeline_of(model)
    pipeline.scheduler = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type=model.base.prediction_type,
    )
    pipeline.set_progress_bar_config(disable=True)
    tensors = load_file(lora)
    if model.base.family == "sd2":
        tensors = {name: one.flatten(1) if one.ndim == 4 else one for name, one in tensors.items()}
    pipeline.load_lora_weights(tensors, adapter_name="zorb")
    pipeline.set_adapters(["zorb"], adapter_weights=[PICTURE.weight])
    images = pipeline(
        PICTURE.prompt,
        negative_prompt=PICTURE.negative_prompt,
        num_inference_steps=PICTURE.steps,
        guidance_scale=PICTURE.guidance,
        width=PICTURE.width_px,
        height=PICTURE.height_px,
        generator=torch.Generator("cpu").manual_seed(PICTURE.seed),
    ).images
    return np.asarray(images[0]).astype(int)


@pytest.mark.parametrize(
    ("family", "kind", "conv"),
    [
        ("sd1", "epsilon", (3, 1.0)),
        ("sd2", "v_prediction", None),
        ("sdxl", "epsilon", None),
        ("sdxl", "epsilon", (3, 1.0)),
    ],
)
def test_a_picture_equals_that_of_the_diffusers_pipeline_on_the_same_file(tmp_path, family, kind, conv):
    base = tmp_path / f"{family}.safetensors"
    save(build(Blueprint.of_width(8, family).predicting(kind), seed=1), base, title=family)
    model = load(inspect_trainable(base))
    lora = lora_for(model, tmp_path / "zorb.safetensors", conv)
    with_lora = WantedPicture(picture=PICTURE, file=tmp_path / "lora.png", checkpoint=lora)
    alone = WantedPicture(picture=replace(PICTURE, weight=0.0), file=tmp_path / "base.png", checkpoint=None)
    file = BaseModelFile(path=base, sha256=file_sha256(base))
    request = RenderRequest(base=file, folder=tmp_path, wanted=(with_lora, alone), device="cpu")
    rendering = render(DiffusersRenderer(), request, tmp_path)

    assert rendering.code == 0, rendering.output
    ours = pixels_of(with_lora.file).astype(int)
    assert np.abs(ours - diffusers_picture(model, lora)).max() <= LARGEST_DIFFERENCE
    assert np.abs(ours - pixels_of(alone.file).astype(int)).max() > 10


def test_a_model_of_pure_noise_is_rendered_from_pure_noise(tmp_path):
    base = tmp_path / "sdxl.safetensors"
    save(build(Blueprint.of_width(8, "sdxl"), seed=1), base, title="sdxl")
    marked = replace(inspect_trainable(base), zero_terminal_snr=True)
    for sampler in ("ddim", "euler", "euler_a", "dpmpp_2m"):
        settings = new_scheduler(sampler, marked).config
        assert (settings.rescale_betas_zero_snr, settings.timestep_spacing) == (True, "trailing")
