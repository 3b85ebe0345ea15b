"""The bundled renderer: its own duties, and its pictures against those of diffusers' pipeline."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lora_engine.families import sd1
from lora_engine.maths.streams import Streams
from lora_engine.networks.lora import LoraNetwork
from sd_contract.base_models.base_model import inspect
from tests.renderers.conformance import RendererConformance
from tests.renderers.scene import (
    POCKET,
    Rendering,
    matrix_for,
    pixels_of,
    pocket,
    render,
    request_for,
    write_lora,
)
from train_tools.model.preview import Picture
from train_tools.previews.picture_file import is_whole
from train_tools.previews.renderer import RenderRequest, WantedPicture
from train_tools.previews.samplers import SAMPLERS
from train_tools.renderers.diffusers import DiffusersRenderer

LARGEST_DIFFERENCE = 1
"""Of 255 levels. Measured: 1, in a batch of four."""

PICTURE = Picture(
    base="",
    lora="zorb",
    weight=0.7,
    prompt="a blue square on a pink background",
    negative_prompt="red",
    seed=5,
    width_px=64,
    height_px=96,
    steps=8,
    guidance=5.0,
    sampler="ddim",
    clip_skip=1,
)


LONG = ", ".join(["a blue square on a pink background"] * 10)
WORD = "sky-like_thing"
SIGNATURE = f"{WORD} 0123"


class TestDiffusersRenderer(RendererConformance):
    @classmethod
    def renderer(cls):
        return DiffusersRenderer()


@dataclass(frozen=True)
class Gallery:
    """Pictures of one LoRA that touches every layer, rendered in one process."""

    lora: Path
    folder: Path

    @classmethod
    def rendered(cls, folder: Path) -> Gallery:
        gallery = cls(full_lora(folder / "zorb.safetensors"), folder)
        wanted = [gallery.wanted(sampler, replace(PICTURE, sampler=sampler)) for sampler in SAMPLERS]
        wanted += [
            gallery.wanted("base", replace(PICTURE, weight=0.0), alone=True),
            gallery.wanted("weight 0", replace(PICTURE, weight=0.0)),
            gallery.wanted("unguided", replace(PICTURE, guidance=1.0)),
            gallery.wanted("skipped", replace(PICTURE, clip_skip=2)),
            gallery.wanted("again", PICTURE),
            gallery.wanted("karras", replace(PICTURE, sampler="dpmpp_2m", scheduler="karras")),
            gallery.wanted("stressed", replace(PICTURE, prompt="a (blue:1.4) square on a [pink] background")),
            gallery.wanted("long", replace(PICTURE, prompt=LONG)),
            gallery.wanted("longer", replace(PICTURE, prompt=f"{LONG}, red")),
            gallery.wanted("other VAE", replace(PICTURE, vae="v")),
            gallery.wanted("embedded", replace(PICTURE, prompt=f"a {WORD} square", embeddings=(SIGNATURE,))),
            gallery.wanted("spelt out", replace(PICTURE, prompt="a blue square")),
        ]
        request = RenderRequest(
            base=pocket(),
            folder=folder,
            wanted=tuple(wanted),
            device="cpu",
            vaes={"v": brighter_vae(folder / "brighter.safetensors")},
            embeddings={SIGNATURE: embedding_of("blue", folder / f"{WORD}.safetensors")},
        )
        rendering = render(DiffusersRenderer(), request, folder)
        assert rendering.code == 0, rendering.output
        return gallery

    def wanted(self, name: str, picture: Picture, *, alone: bool = False) -> WantedPicture:
        return WantedPicture(picture=picture, file=self.file(name), checkpoint=None if alone else self.lora)

    def file(self, name: str) -> Path:
        return self.folder / f"{name}.png"

    def pixels(self, name: str) -> np.ndarray:
        return pixels_of(self.file(name)).astype(int)


def brighter_vae(path: Path) -> Path:
    """The pocket model's VAE in a file of its own, which decodes everything a little brighter."""
    vae = sd1.load(inspect(POCKET)).vae
    assert vae is not None
    tensors = {name: tensor.clone() for name, tensor in vae.state_dict().items()}
    tensors["decoder.conv_out.bias"] += 0.2
    save_file(tensors, path)
    return path


def embedding_of(word: str, path: Path) -> Path:
    """A textual inversion that means what a word means already."""
    model = sd1.load(inspect(POCKET))
    (token,) = model.tokenizer(word, add_special_tokens=False).input_ids
    save_file({"emb_params": model.text_encoder.get_input_embeddings().weight[[token]].clone()}, path)
    return path


def full_lora(path: Path) -> Path:
    model = sd1.load(inspect(POCKET))
    network = LoraNetwork.attach(model.unet, model.text_encoder, rank=4, alpha=2, streams=Streams(1))
    random = torch.Generator().manual_seed(1)
    save_file(
        {
            name: 0.2 * torch.randn(tensor.shape, generator=random) if "lora_up" in name else tensor
            for name, tensor in network.tensors().items()
        },
        path,
    )
    return path


@pytest.fixture(scope="module")
def gallery(tmp_path_factory) -> Gallery:
    return Gallery.rendered(tmp_path_factory.mktemp("gallery"))


def diffusers_picture(lora: Path, picture: Picture, scheduler: Any = None) -> np.ndarray:
    """The same picture by StableDiffusionPipeline with the LoRA that diffusers itself loads."""
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    model = sd1.load(inspect(POCKET))
    pipeline = StableDiffusionPipeline(
        vae=model.vae,
        text_encoder=model.text_encoder,
        tokenizer=model.tokenizer,
        unet=model.unet,
        scheduler=scheduler
        or DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    pipeline.load_lora_weights(lora.parent, weight_name=lora.name, adapter_name="zorb")
    pipeline.set_adapters(["zorb"], adapter_weights=[picture.weight])
    images = pipeline(
        picture.prompt,
        negative_prompt=picture.negative_prompt,
        num_inference_steps=picture.steps,
        guidance_scale=picture.guidance,
        width=picture.width_px,
        height=picture.height_px,
        generator=torch.Generator("cpu").manual_seed(picture.seed),
    ).images
    return np.asarray(images[0]).astype(int)


def test_a_picture_equals_that_of_the_diffusers_pipeline_on_the_same_file(gallery):
    theirs = diffusers_picture(gallery.lora, PICTURE)
    ours = gallery.pixels("ddim")
    assert np.abs(ours - theirs).max() <= LARGEST_DIFFERENCE
    assert np.abs(ours - gallery.pixels("base")).max() > 100


def test_weight_0_of_a_checkpoint_is_the_base_models_picture_to_the_last_bit(gallery):
    assert (gallery.pixels("weight 0") == gallery.pixels("base")).all()


def test_a_picture_does_not_depend_on_what_was_rendered_before_it(gallery):
    assert (gallery.pixels("again") == gallery.pixels("ddim")).all()


@pytest.mark.parametrize("other", ["euler", "euler_a", "dpmpp_2m", "unguided", "skipped", "stressed", "long"])
def test_each_setting_changes_the_picture(gallery, other):
    assert np.abs(gallery.pixels(other) - gallery.pixels("ddim")).max() > 8


def test_a_scheduler_changes_the_picture_as_it_does_with_diffusers(gallery):
    from diffusers import DPMSolverMultistepScheduler

    scheduler = DPMSolverMultistepScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", use_karras_sigmas=True, steps_offset=1
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        theirs = diffusers_picture(gallery.lora, PICTURE, scheduler)
    assert np.abs(gallery.pixels("karras") - theirs).max() <= LARGEST_DIFFERENCE
    assert np.abs(gallery.pixels("karras") - gallery.pixels("dpmpp_2m")).max() > 4


def test_words_beyond_75_tokens_count(gallery):
    assert np.abs(gallery.pixels("longer") - gallery.pixels("long")).max() > 4


def test_a_vae_of_its_own_decodes_the_picture(gallery):
    assert 10 < (gallery.pixels("other VAE") - gallery.pixels("ddim")).mean() < 40


def test_an_embedding_stands_for_its_word(gallery):
    assert (gallery.pixels("embedded") == gallery.pixels("spelt out")).all()


def test_loras_that_overflow_or_belong_to_another_model_are_named(tmp_path):
    overflowing = write_lora(tmp_path / "overflowing.safetensors", strength=float("nan"))
    foreign = write_lora(tmp_path / "foreign.safetensors", module="lora_te2_text_model_encoder_layers_9_mlp_fc1")
    good = write_lora(tmp_path / "good.safetensors")
    matrix = matrix_for(tmp_path, [overflowing, foreign, good])
    rendering = render(DiffusersRenderer(), request_for(tmp_path, matrix.cells), tmp_path)
    assert rendering.result.outcome == "failed"
    assert "overflowing.safetensors gives no picture at weight 0.5" in rendering.result.message
    assert "foreign.safetensors" in rendering.result.message
    assert [cell.row for cell in matrix.cells if is_whole(cell.file)] == [0, 3, 3]


def test_a_device_that_is_not_there_is_one_sentence(tmp_path):
    request = replace(request_for(tmp_path, matrix_for(tmp_path, []).cells), device="cuda:99")
    rendering = render(DiffusersRenderer(), request, tmp_path)
    assert rendering.code == 1
    assert "Device 'cuda:99' can't be used here" in rendering.result.message
    assert "Traceback" not in rendering.output


class WithoutTorch(DiffusersRenderer):
    """Its process ends with code 7 when it imports torch."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        (folder / "torch.py").write_text("raise SystemExit(7)", encoding="utf-8")
        self._folder = folder

    def launch(self, request, attempt):
        launch = super().launch(request, attempt)
        paths = os.pathsep.join([str(self._folder), launch.environment["PYTHONPATH"]])
        return replace(launch, environment={**launch.environment, "PYTHONPATH": paths})


def with_lora_as_base(folder: Path) -> Rendering:
    lora = write_lora(folder / "zorb.safetensors")
    request = request_for(folder, matrix_for(folder, []).cells)
    request = replace(request, base=replace(request.base, path=lora))
    return render(WithoutTorch(folder), request, folder)


def test_a_base_model_of_the_wrong_kind_is_told_before_torch_is_imported(tmp_path):
    rendering = with_lora_as_base(tmp_path)
    assert rendering.code == 1
    assert "is a LoRA file" in rendering.result.message


def test_nothing_to_render_does_not_import_torch(tmp_path):
    request = replace(request_for(tmp_path, matrix_for(tmp_path, []).cells), wanted=())
    rendering = render(WithoutTorch(tmp_path), request, tmp_path)
    assert (rendering.code, rendering.result.outcome) == (0, "done")
