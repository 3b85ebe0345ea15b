"""SD2 and SDXL: loading, encoding, predicting and LoRA files, against diffusers' own pipelines."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmarks.pocket.blueprint import FULL_SIZE, Blueprint, build
from benchmarks.pocket.single_file import single_file_tensors
from lora_engine.families import FAMILIES, ImageSize, load
from lora_engine.families.weights import file_parts
from lora_engine.maths.streams import Streams
from lora_engine.networks.lora import LoraNetwork
from sd_contract.base_models.base_model import BaseModel, inspect_trainable
from sd_contract.base_models.model_shapes import configs
from sd_contract.errors import OptionError
from tests.lora_engine.pipelines import noise_of, pipeline_of

CAPTIONS = ["a red square", "", "x" * 500]
SUCCESSORS = ("sd2", "sdxl")
LARGEST_DIFFERENCE = 1e-5
"""Of latents and text states of about 1. Measured: 5e-7."""


@pytest.fixture(scope="module")
def model_of(tiny_models):
    return lambda family: load(inspect_trainable(tiny_models[family]))


def full_size(family):
    """A published model without weights, loaded from the names and shapes of its file."""
    with torch.device("meta"):
        tensors = single_file_tensors(build(FULL_SIZE[family]))
    base = BaseModel(
        path=None,
        family=family,
        prediction_type="epsilon",
        resolution=512,
        **configs({name: tuple(tensor.shape) for name, tensor in tensors.items()}, family),
    )
    return FAMILIES[family].assembled(base, file_parts(base, tensors), None, "meta", torch.float16)


def stirred(model, rank=2, alpha=1.0):
    """A LoRA on everything, its `up` weights no longer zero."""
    network = LoraNetwork.attach(model.unet, model.text_encoder, rank=rank, alpha=alpha, streams=Streams(0))
    for number, one in enumerate(network.modules.values()):
        one.up.data.copy_(0.1 * torch.randn(one.up.shape, generator=Streams(0).generator("stir", number)))
    return network


@pytest.mark.parametrize(("family", "modules"), [("sd1", 264), ("sd2", 330), ("sdxl", 986)])
def test_a_full_size_lora_has_as_many_modules_as_kohyas(family, modules):
    model = full_size(family)
    network = LoraNetwork.attach(
        model.unet, model.text_encoder, rank=4, alpha=1, streams=Streams(0), dtype=torch.float16
    )
    names = list(network.modules)

    assert len(names) == modules
    prefixes = {name[: name.index("_", 5) + 1] for name in names}
    assert prefixes == (
        {"lora_te1_", "lora_te2_", "lora_unet_"} if family == "sdxl" else {"lora_te_", "lora_unet_"}
    )


def test_sdxl_modules_bear_stabilitys_names():
    model = full_size("sdxl")
    names = set(LoraNetwork.attach(model.unet, model.text_encoder, rank=4, alpha=1, streams=Streams(0)).modules)

    assert sum(name.startswith("lora_unet_") for name in names) == 722
    assert sum(name.startswith("lora_te2_text_model_encoder_layers_") for name in names) == 192
    assert {
        "lora_unet_input_blocks_4_1_proj_in",
        "lora_unet_input_blocks_8_1_transformer_blocks_9_attn2_to_k",
        "lora_unet_middle_block_1_transformer_blocks_0_ff_net_0_proj",
        "lora_unet_output_blocks_5_1_transformer_blocks_1_attn1_to_out_0",
        "lora_te1_text_model_encoder_layers_11_mlp_fc2",
    } <= names
    assert not any("_blocks_0_attentions" in name or "down_blocks" in name for name in names)


@pytest.mark.parametrize("family", SUCCESSORS)
def test_loading_gives_the_modules_that_were_saved(model_of, family):
    made, loaded = build(Blueprint.of_width(8, family), seed=1), model_of(family)
    encoders = loaded.text_encoder if family == "sdxl" else (loaded.text_encoder,)
    pairs = zip(made.all(), (loaded.unet, loaded.vae, *encoders), strict=True)

    for wanted, found in pairs:
        weights = wanted.state_dict()
        state = found.state_dict()
        assert all(torch.equal(tensor, weights[name].half().float()) for name, tensor in state.items())
        assert not any(weight.requires_grad for weight in found.parameters())


def test_the_last_layer_of_sd2s_text_encoder_is_left_out(model_of):
    made, loaded = build(Blueprint.of_width(8, "sd2")), model_of("sd2")

    assert len(made.text_encoder.encoder.layers) == 3
    assert len(loaded.text_encoder.encoder.layers) == 2


@pytest.mark.parametrize("family", SUCCESSORS)
@torch.no_grad()
def test_text_is_encoded_as_diffusers_does(model_of, family):
    model = model_of(family)
    pipeline = pipeline_of(model)
    text = model.encode_text(CAPTIONS)
    if family == "sdxl":
        wanted, _, pooled, _ = pipeline.encode_prompt(
            CAPTIONS, device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=False
        )
        assert torch.equal(text.pooled, pooled)
    else:
        wanted, _ = pipeline.encode_prompt(CAPTIONS, "cpu", 1, False)

    assert torch.equal(text.states, wanted)


@pytest.mark.parametrize("family", SUCCESSORS)
@torch.no_grad()
def test_a_lora_file_gives_diffusers_the_same_prediction(model_of, family, tmp_path):
    ours, theirs = model_of(family), model_of(family)
    before = noise_of(ours)
    network = stirred(ours)
    save_file(network.tensors(), tmp_path / "lora.safetensors")
    tensors = load_file(tmp_path / "lora.safetensors")
    if family == "sd2":  # diffusers does not take kohya's convolutions of one pixel for linear layers
        tensors = {name: flat(tensor) for name, tensor in tensors.items()}
    pipeline_of(theirs).load_lora_weights(tensors)
    prediction = noise_of(ours)

    assert (prediction - noise_of(theirs)).abs().max() < LARGEST_DIFFERENCE
    assert (prediction - before).abs().max() > 0.01


def test_sd2_files_keep_projections_as_convolutions_of_one_pixel(model_of, tmp_path):
    model = model_of("sd2")
    tensors = stirred(model).tensors()
    name = "lora_unet_mid_block_attentions_0_proj_in.lora_down.weight"
    with_pixel = tensors[name]
    save_file(tensors, tmp_path / "lora.safetensors")
    save_file({name: flat(tensor) for name, tensor in tensors.items()}, tmp_path / "flat.safetensors")
    predictions = []
    for file in ("lora", "flat"):
        again = model_of("sd2")
        LoraNetwork.from_file(tmp_path / f"{file}.safetensors", again.unet, again.text_encoder)
        predictions.append(noise_of(again))

    assert with_pixel.shape == (2, 16, 1, 1)
    assert torch.equal(predictions[0], noise_of(model))
    assert torch.equal(*predictions)


def flat(tensor):
    return tensor.flatten(1).contiguous() if tensor.ndim == 4 else tensor


def test_sdxl_files_with_diffusers_names_are_read_too(model_of, tmp_path):
    model = model_of("sdxl")
    network = stirred(model)
    tensors = network.tensors()
    old_names = {name: other for other, name in network._other_names.items()}
    renamed = {
        old_names.get(module, module) + "." + leaf: tensor
        for (module, _, leaf), tensor in ((key.partition("."), tensor) for key, tensor in tensors.items())
    }
    save_file(renamed, tmp_path / "old.safetensors")
    again = model_of("sdxl")
    read = LoraNetwork.from_file(tmp_path / "old.safetensors", again.unet, again.text_encoder)

    assert "lora_unet_mid_block_attentions_0_proj_in.lora_down.weight" in renamed
    assert read.tensors().keys() == tensors.keys()
    assert torch.equal(noise_of(again), noise_of(model))


@torch.no_grad()
def test_sdxl_is_told_the_sizes_of_images(model_of):
    model = model_of("sdxl")
    told = noise_of(model, [ImageSize.uncropped(64, 64)] * 2)
    other = noise_of(
        model, [ImageSize(original_width=90, original_height=64, crop_left=13, width=64, height=64)] * 2
    )

    assert torch.equal(told, noise_of(model))
    assert not torch.equal(told, other)
    assert ImageSize(
        original_width=1, original_height=2, crop_left=3, crop_top=4, width=5, height=6
    ).numbers() == (2, 1, 4, 3, 6, 5)


def test_clip_skip_beyond_the_layers_is_refused(model_of):
    with pytest.raises(OptionError, match=r"clip_skip = 3: the text encoder has 2 layers. Use 1 to 2."):
        model_of("sd2").encode_text(["a"], clip_skip=3)
