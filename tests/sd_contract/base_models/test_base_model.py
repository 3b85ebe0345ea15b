"""Reading what a base model is from its header. The files here are sparse: a header, then no bytes on the disk."""

import json
import os
import struct
from math import prod
from pathlib import Path

import pytest
import torch

from benchmarks.pocket.blueprint import Blueprint, build
from benchmarks.pocket.single_file import autoencoder_name, text_encoder_name, unet_name
from sd_contract.base_models.base_model import HEADER_KEY, cpu_threads, inspect, inspect_trainable
from sd_contract.errors import BaseModelError

SD1 = Blueprint(
    unet_widths=(320, 640, 1280, 1280),
    autoencoder_widths=(128, 256, 512, 512),
    text_width=768,
    text_layers=12,
    heads=8,
    unet_groups=32,
    autoencoder_groups=32,
    resolution=512,
)


def sd1_shapes():
    """Names and shapes of the tensors of a Stable Diffusion 1.5 file."""
    with torch.device("meta"):
        networks = build(SD1)
    parts = (
        (networks.unet, unet_name),
        (networks.autoencoder, autoencoder_name),
        (networks.text_encoder, text_encoder_name),
    )
    return {
        renamed(name): tuple(tensor.shape)
        for network, renamed in parts
        for name, tensor in network.state_dict().items()
    }


@pytest.fixture(scope="module")
def shapes():
    return sd1_shapes()


@pytest.fixture
def file_of(tmp_path):
    def write(shapes, metadata=None, name="model.safetensors"):
        header, end = {"__metadata__": metadata or {}}, 0
        for tensor, shape in shapes.items():
            begin, end = end, end + 2 * prod(shape)
            header[tensor] = {"dtype": "F16", "shape": list(shape), "data_offsets": [begin, end]}
        text = json.dumps(header).encode()
        path = tmp_path / name
        path.write_bytes(struct.pack("<Q", len(text)) + text)
        with path.open("r+b") as file:
            file.truncate(8 + len(text) + end)
        return path

    return write


def refusal(path):
    with pytest.raises(BaseModelError) as caught:
        inspect_trainable(path)
    assert str(caught.value).startswith("base model: ")
    return str(caught.value)


def test_a_file_without_our_key_is_stable_diffusion_1_as_published(file_of, shapes):
    base = inspect_trainable(file_of(shapes))

    assert (base.family, base.prediction_type, base.resolution, base.latent_factor) == ("sd1", "epsilon", 512, 8)
    assert base.unet["block_out_channels"] == (320, 640, 1280, 1280)
    assert (base.unet["attention_head_dim"], base.unet["norm_num_groups"]) == (8, 32)
    assert base.unet["cross_attention_dim"] == base.text_encoder["hidden_size"] == 768
    assert base.unet["down_block_types"] == ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",)
    assert (base.vae["block_out_channels"], base.vae["scaling_factor"]) == ((128, 256, 512, 512), 0.18215)
    assert (base.text_encoder["num_hidden_layers"], base.text_encoder["num_attention_heads"]) == (12, 12)


def test_the_header_key_tells_what_shapes_do_not(file_of, shapes):
    said = {
        "format": 1,
        "unet": {"attention_head_dim": 4},
        "scheduler": {"prediction_type": "v_prediction"},
        "resolution": 64,
    }
    base = inspect(file_of(shapes, {HEADER_KEY: json.dumps(said)}))

    assert (base.unet["attention_head_dim"], base.unet["norm_num_groups"]) == (4, 32)
    assert (base.v_prediction, base.resolution) == (True, 64)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("{", "header key train_tools.base_model can't be read"),
        ("[]", "can't be read"),
        ('{"format": 9}', "has format 9; this version reads 1."),
        ('{"format": 1, "scheduler": {"prediction_type": "x0"}}', "prediction type 'x0'"),
    ],
)
def test_a_header_key_that_can_not_be_read_is_told(file_of, shapes, said, told):
    assert told in refusal(file_of(shapes, {HEADER_KEY: said}))


def test_a_refiner_is_recognised_and_refused(file_of):
    label = {"model.diffusion_model.label_emb.0.0.weight": (4, 4)}
    refiner = file_of(label, name="refiner.safetensors")

    assert inspect(refiner).family == "sdxl_refiner"
    assert "is an SDXL refiner; the bundled engine trains SD1, SD2 and SDXL base models." in refusal(refiner)


def test_an_inpainting_model_is_refused(file_of, shapes):
    inpainting = {**shapes, "model.diffusion_model.input_blocks.0.0.weight": (320, 9, 3, 3)}

    assert "takes 9 channels, as inpainting models do" in refusal(file_of(inpainting))


def test_what_is_no_base_model_is_refused(file_of, tmp_path):
    lora = file_of({"lora_unet_x.lora_down.weight": (4, 8)}, name="lora.safetensors")
    other = file_of({"weight": (4,)}, name="other.safetensors")

    assert "is a LoRA file. Choose the model it was trained on." in refusal(lora)
    assert "is of an unknown family (1 tensors" in refusal(other)
    assert "does not exist. Name a file or a diffusers folder" in refusal(tmp_path / "gone.safetensors")
    assert refusal(Path("stabilityai/stable-diffusion-2-1")).endswith("on this machine: nothing is downloaded.")
    assert "is a folder without model_index.json" in refusal(tmp_path)


def test_a_download_that_broke_off_is_told(file_of, shapes):
    path = file_of(shapes)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1)

    assert "is cut short" in refusal(path)


def test_missing_tensors_are_named(file_of, shapes):
    without = {name: shape for name, shape in shapes.items() if "post_quant_conv" not in name}

    assert "tensors are missing ('first_stage_model.post_quant_conv.weight')" in refusal(file_of(without))


def test_a_small_model_is_worth_one_thread(tmp_path):
    small, large = tmp_path / "small", tmp_path / "large"
    small.touch()
    with large.open("wb") as file:
        file.truncate(200_000_000)

    assert [cpu_threads(path) for path in (small, large, tmp_path / "gone")] == [1, os.cpu_count() or 1, 1]
