"""SD2 and SDXL by their headers alone, signs of v-prediction, and flags that contradict what a file says."""

import json
import struct
from functools import cache
from math import prod

import pytest
import torch

from benchmarks.pocket.blueprint import FULL_SIZE, build
from benchmarks.pocket.single_file import single_file_tensors
from sd_contract.base_models.base_model import HEADER_KEY, agreed, inspect, with_vae
from sd_contract.errors import BaseModelError

MARKER = {"v_pred": ()}


@cache
def shapes_of(family):
    """Names and shapes of the tensors of a published model's file."""
    with torch.device("meta"):
        networks = build(FULL_SIZE[family])
        return {name: tuple(tensor.shape) for name, tensor in single_file_tensors(networks).items()}


@pytest.fixture
def file_of(tmp_path):
    """A file with this header and no bytes on the disk."""

    def write(family, *, name="model.safetensors", more=None, **metadata):
        header, end = {"__metadata__": metadata.pop("metadata", {})}, 0
        for tensor, shape in {**shapes_of(family), **(more or {})}.items():
            begin, end = end, end + 2 * prod(shape)
            header[tensor] = {"dtype": "F16", "shape": list(shape), "data_offsets": [begin, end]}
        text = json.dumps(header).encode()
        path = tmp_path / name
        path.write_bytes(struct.pack("<Q", len(text)) + text)
        with path.open("r+b") as file:
            file.truncate(8 + len(text) + end)
        return path

    return write


def ours(prediction_type):
    return {HEADER_KEY: json.dumps({"format": 1, "scheduler": {"prediction_type": prediction_type}})}


def flags(base, *, v2=False, v=False, script=""):
    return agreed(base, v2=v2, v_parameterization=v, script=script)


def refusal(base, **chosen):
    with pytest.raises(BaseModelError) as caught:
        flags(base, **chosen)
    return str(caught.value)


def test_a_file_with_open_clips_text_encoder_is_stable_diffusion_2(file_of):
    base = inspect(file_of("sd2"))

    assert (base.family, base.prediction_type, base.resolution, base.script) == (
        "sd2",
        "epsilon",
        512,
        "train_network.py",
    )
    assert base.unet["attention_head_dim"] == (5, 10, 20, 20)
    assert base.unet["use_linear_projection"]
    text = base.text_encoder
    assert (text["num_hidden_layers"], text["num_attention_heads"], text["hidden_act"]) == (23, 16, "gelu")
    assert base.unet["cross_attention_dim"] == text["hidden_size"] == 1024


def test_two_text_encoders_make_stable_diffusion_xl(file_of):
    base = inspect(file_of("sdxl"))

    assert (base.family, base.resolution, base.script) == ("sdxl", 1024, "sdxl_train_network.py")
    assert base.unet["block_out_channels"] == (320, 640, 1280)
    assert base.unet["transformer_layers_per_block"] == (1, 2, 10)
    assert base.unet["attention_head_dim"] == (5, 10, 20)
    assert base.unet["down_block_types"] == ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D")
    assert (base.unet["addition_time_embed_dim"], base.unet["projection_class_embeddings_input_dim"]) == (
        256,
        2816,
    )
    assert base.vae["scaling_factor"] == 0.13025
    assert (base.text_encoder["num_hidden_layers"], base.text_encoder["num_attention_heads"]) == (12, 12)
    second = base.text_encoder_2
    assert (second["num_hidden_layers"], second["num_attention_heads"], second["projection_dim"]) == (32, 20, 1280)


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"v2": True}, "v2 = true, but the tensors of"),
        ({"script": "train_network.py"}, "is an SDXL model, which train_network.py does not train. Use sdxl_"),
    ],
)
def test_a_flag_against_the_tensors_is_refused(file_of, chosen, told):
    assert told in refusal(inspect(file_of("sdxl")), **chosen)


def test_an_sd2_model_needs_no_flag(file_of):
    base = inspect(file_of("sd2"))

    assert flags(base, script="train_network.py") == flags(base, v2=True) == (base, ())


def test_a_marker_tensor_makes_a_v_prediction_model(file_of):
    base = inspect(file_of("sdxl", more={**MARKER, "ztsnr": ()}))

    assert (base.v_prediction, base.zero_terminal_snr) == (True, True)
    assert flags(base, v=True) == (base, ())
    told = flags(base)
    assert told[0].v_prediction
    assert told[1] == (
        "model.safetensors is a v-prediction model (it has a tensor named 'v_pred'); it is trained as one",
    )


def test_v_parameterization_against_the_header_key_is_refused(file_of):
    base = inspect(file_of("sd1", metadata=ours("epsilon")))

    assert "predicts noise (header key train_tools.base_model)" in refusal(base, v=True)


def test_a_specification_that_others_wrote_is_doubted_only(file_of):
    base = inspect(file_of("sd1", metadata={"modelspec.prediction_type": "epsilon"}))
    chosen, doubts = flags(base, v=True)

    assert chosen.v_prediction
    assert "says of itself that it predicts noise (modelspec.prediction_type is 'epsilon')" in doubts[0]


@pytest.mark.parametrize(
    ("name", "v", "doubted"),
    [
        ("768-v-ema.safetensors", True, ""),
        ("768-v-ema.safetensors", False, '"-v-" in the name of 768-v-ema.safetensors says that it predicts v'),
        ("512-base-ema.safetensors", True, 'nor does "-v-" stand in its name'),
        ("512-base-ema.safetensors", False, ""),
    ],
)
def test_a_prediction_that_can_not_be_known_is_doubted_by_the_files_name(file_of, name, v, doubted):
    chosen, doubts = flags(inspect(file_of("sd2", name=name)), v2=True, v=v)

    assert (chosen.v_prediction, chosen.resolution) == (v, 768 if v else 512)
    assert bool(doubts) == bool(doubted)
    assert all(doubted in doubt for doubt in doubts)


def test_previews_of_an_unmarked_sd2_file_go_by_its_name(file_of):
    assert inspect(file_of("sd2", name="768-v-ema.safetensors")).v_prediction
    assert not inspect(file_of("sd2", name="512-base.safetensors")).v_prediction


def test_a_vae_for_other_latents_is_refused(file_of, tmp_path):
    base = inspect(file_of("sd1"))

    with pytest.raises(BaseModelError, match=r"vae = .* is no VAE: tensors are missing"):
        with_vae(base, file_of_nothing(tmp_path))
    with pytest.raises(BaseModelError, match=r"^vae = .*gone does not exist"):
        with_vae(base, tmp_path / "gone")
    assert with_vae(base, file_of("sd2", name="vae.safetensors")).vae["scaling_factor"] == 0.18215


def file_of_nothing(tmp_path):
    path = tmp_path / "nothing.safetensors"
    path.write_bytes(struct.pack("<Q", 2) + b"{}")
    return path
