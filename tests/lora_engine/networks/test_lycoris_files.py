"""Files of LyCORIS' networks: what their tensors are called, and that the programs that read them do with them
what the training did: the package lycoris-lora, and diffusers where it can."""

import logging

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel

from lora_engine.families import TextStates
from lora_engine.maths.streams import Streams
from lora_engine.networks.lycoris import LycorisNetwork
from sd_contract.errors import CheckpointError
from sd_contract.lycoris.tensors import MID
from tests.lora_engine.networks.conftest import WAYS, attach, plan, rank_for
from tests.lora_engine.pipelines import pipeline_of

IDS = torch.tensor([[49406, 320, 7117, 49407], [49406, 7117, 320, 49407]])


@torch.no_grad()
def noise_of(model):
    generator = torch.Generator().manual_seed(3)
    latents = torch.randn(2, 4, 16, 16, generator=generator)
    text = TextStates(model.text_encoder(IDS).last_hidden_state)
    return model.predict(latents, torch.tensor([30, 800]), text)


def trained_file(model, way, path):
    """A file of that way, what the model with it predicts and what without it."""
    network = attach(model, plan(*WAYS[way], rank=rank_for(way)))
    predicted = noise_of(model)
    save_file(network.tensors(torch.float32), path)
    network.detach()
    return predicted, noise_of(model)


WITH_ARGUMENTS = {
    "dora": ("LoConModule", {"weight_decompose": True, "wd_on_out": False}),
    "doha": ("LohaModule", {"weight_decompose": True, "wd_on_out": False}),
    "lokr factor": ("LokrModule", {"factor": 2, "unbalanced_factorization": True}),
    "lokr both": ("LokrModule", {"decompose_both": True, "use_tucker": True}),
    "ia3": ("IA3Module", {}),
    "ia3 everywhere": ("IA3Module", {}),
}
"""Files that lycoris-lora 4.1.3 can't make out by itself, with what it has to be told: it takes DoRA's lengths for
those of outputs, guesses LoKr's split wrongly, and fails on (IA)3."""


def lycoris_module(way, tensors, name, layer):
    """The package's own module of a layer, with a file's tensors."""
    from lycoris import modules

    if way not in WITH_ARGUMENTS:
        kind, parameters = modules.get_module(tensors, name)
        return modules.make_module(kind, parameters, name, layer)
    kind, arguments = WITH_ARGUMENTS[way]
    own = {key.removeprefix(f"{name}."): tensor for key, tensor in tensors.items() if key.startswith(f"{name}.")}
    on_input = {"train_on_input": bool(own["on_input"])} if "on_input" in own else {}
    module = getattr(modules, kind)(name, layer, lora_dim=2, alpha=1.0, **arguments, **on_input)
    module.load_state_dict(own)
    return module


@pytest.mark.parametrize("way", WAYS)
def test_lycoris_own_modules_do_the_same(models, tmp_path, way):
    """Measured: 5e-5 of the change at most."""
    logging.getLogger("LyCORIS").setLevel(logging.ERROR)
    model = models()
    predicted, before = trained_file(model, way, tmp_path / "x.safetensors")
    tensors = load_file(tmp_path / "x.safetensors")
    layers = {**layers_of("lora_unet", model.unet), **layers_of("lora_te_text_model", model.text_encoder)}
    for name in {key.split(".")[0] for key in tensors}:
        lycoris_module(way, tensors, name, layers[name]).apply_to()

    assert (noise_of(model) - predicted).norm() < 2e-4 * (predicted - before).norm()


def layers_of(prefix, root):
    return {f"{prefix}.{path}".replace(".", "_"): module for path, module in root.named_modules() if path}


@pytest.mark.parametrize("way", ["locon", "locon rs, scalar", "dylora"])
@pytest.mark.parametrize("preset", ["full", "locon"])
def test_diffusers_does_the_same_with_products_of_two_matrices(models, tmp_path, monkeypatch, way, preset):
    model = models()
    monkeypatch.setitem(WAYS, way, (*WAYS[way], f"preset={preset}"))
    predicted, before = trained_file(model, way, tmp_path / "x.safetensors")
    pipeline_of(model).load_lora_weights(load_file(tmp_path / "x.safetensors"))

    assert (noise_of(model) - predicted).norm() < 1e-4 * (predicted - before).norm()


@pytest.mark.parametrize("way", ["lokr", "full, norms"])
def test_diffusers_refuses_the_others(models, tmp_path, way):
    model = models()
    trained_file(model, way, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match="not been correctly renamed"):
        pipeline_of(model).load_lora_weights(load_file(tmp_path / "x.safetensors"))


@pytest.fixture(scope="module")
def full_size():
    """U-Nets of full size without memory for their weights, and the text encoder of Stable Diffusion 1."""
    with torch.device("meta"):
        sd1 = UNet2DConditionModel(cross_attention_dim=768, attention_head_dim=8)
        sdxl = UNet2DConditionModel(
            block_out_channels=(320, 640, 1280),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=[1, 2, 10],
            cross_attention_dim=2048,
            attention_head_dim=[5, 10, 20],
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
        )
        text = CLIPTextModel(CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_attention_heads=12))
    return sd1, sdxl, text


@pytest.mark.parametrize(
    ("preset", "sd1", "text", "sdxl"),
    [
        ("full", 282, 72, 788),
        ("full-lin", 230, 72, 750),
        ("attn-mlp", 192, 72, 722),
        ("attn-only", 128, 48, 560),
        ("unet-only", 282, 0, 788),
        ("unet-transformer-only", 192, 0, 722),
        ("unet-convblock-only", 88, 0, 66),
        ("ia3", 80, 36, 350),
        ("locon", 278, 72, 788),
    ],
)
def test_a_preset_changes_so_many_layers_of_a_model_of_full_size(full_size, preset, sd1, text, sdxl):
    way = plan(f"preset={preset}", "algo=ia3" if preset == "ia3" else "algo=loha")
    small = LycorisNetwork.planned(full_size[0], full_size[2], way, streams=Streams(0))
    counted = len(small.modules_of("unet")), len(small.modules_of("text_encoder"))
    small.detach()
    large = LycorisNetwork.planned(full_size[1], None, way, streams=Streams(0))
    counted += (len(large.modules),)
    large.detach()

    assert counted == (sd1, text, sdxl)


@pytest.mark.parametrize(
    ("arguments", "numbers"),
    [
        ((), 16_931_456),
        (("use_tucker=True",), 9_923_712),
        (("dora_wd=True",), 17_225_796),
        (("algo=loha",), 2 * 16_931_456),
        (("algo=lokr",), 795_040),
        (("algo=full",), 859_320_644),
        (("algo=ia3",), 318_404),
        (("algo=glora",), 26_350_336),
        (("algo=diag-oft",), 5_094_408),
        (("algo=boft",), 26_988_816),
        (("algo=dylora",), 16_931_456),
    ],
)
def test_a_u_net_of_full_size_has_so_many_weights_to_train_at_rank_16(full_size, arguments, numbers):
    network = LycorisNetwork.planned(
        full_size[0], None, plan("preset=unet-only", *arguments, rank=16), streams=Streams(0)
    )
    counted = sum(weight.numel() for weight in network.parameters())
    network.detach()

    assert counted == numbers


def test_norms_add_what_the_blocks_have_of_them(full_size):
    """Two a residual block, one before each attention, three in it; in the text encoder none lies in a target."""
    network = LycorisNetwork.planned(full_size[0], full_size[2], plan("train_norm=True"), streams=Streams(0))
    norms = [name for name, one in network.modules.items() if "w_norm" in one.learning]
    network.detach()

    assert len(norms) == 2 * 22 + 16 * (1 + 3)
    assert "lora_unet_mid_block_attentions_0_transformer_blocks_0_norm3" in norms


def test_sdxl_has_stabilitys_names_and_both_text_encoders(models):
    network = attach(models("sdxl"), plan("algo=lokr", "train_norm=True"), stirred=False)
    names = set(network.tensors())

    assert {
        "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q.lokr_w1",
        "lora_unet_input_blocks_1_0_in_layers_0.w_norm",
        "lora_unet_input_blocks_1_0_in_layers_2.alpha",
        "lora_te1_text_model_encoder_layers_0_mlp_fc1.lokr_w1",
        "lora_te2_text_model_encoder_layers_0_mlp_fc1.lokr_w1",
    } <= names
    assert not any("down_blocks" in name or "conv_in" in name for name in names)


@pytest.mark.parametrize(
    ("way", "shapes"),
    [
        ("dora", {"lora_down.weight": (2, 8, 1, 1), "lora_up.weight": (8, 2, 1, 1), "dora_scale": (1, 8, 1, 1)}),
        ("full, norms", {"diff": (8, 8, 1, 1), "diff_b": (8,)}),
        ("loha", {"hada_w1_a": (8, 2), "hada_w1_b": (2, 8)}),
        ("ia3 everywhere", {"weight": (1, 8, 1, 1)}),
        ("glora", {"a1.weight": (8, 2, 1, 1), "b2.weight": (2, 8, 1, 1)}),
    ],
)
def test_sd2_keeps_its_projections_as_convolutions_and_reads_them_again(models, tmp_path, way, shapes):
    model = models("sd2")
    network = attach(model, plan(*WAYS[way]))
    tensors = network.tensors()
    name = "lora_unet_down_blocks_0_attentions_0_proj_in"
    found = {leaf: tuple(tensors[f"{name}.{leaf}"].shape) for leaf in shapes}
    save_file(tensors, tmp_path / "x.safetensors")
    network.detach()
    read = LycorisNetwork.from_file(tmp_path / "x.safetensors", model.unet, model.text_encoder).tensors()

    assert found == shapes
    assert read.keys() == tensors.keys()
    assert all(torch.equal(tensor, read[key]) for key, tensor in tensors.items())


def test_a_kernel_between_is_there_where_tucker_is_asked_for(models):
    tensors = attach(models(), plan("use_tucker=True"), stirred=False).tensors()

    assert tensors[f"lora_unet_down_blocks_0_resnets_0_conv1.{MID}"].shape == (2, 2, 3, 3)
    assert f"lora_unet_down_blocks_0_attentions_0_proj_in.{MID}" not in tensors


def test_square_root_scaling_is_in_the_alpha_that_loaders_divide_by_the_rank(models):
    network = attach(models(), plan("rs_lora=True", rank=4, alpha=2.0), stirred=False)

    assert network.tensors()["lora_unet_conv_in.alpha"] / 4 == 2.0 / 4**0.5


@pytest.mark.parametrize("damage", ["unknown leaf", "other layer", "other shape", "no tensors"])
def test_a_file_that_is_no_network_of_this_model_is_refused(models, tmp_path, damage):
    model, path = models(), tmp_path / "x.safetensors"
    network = attach(model, plan("algo=loha"))
    tensors = network.tensors()
    network.detach()
    first = "lora_unet_conv_in.hada_w1_a"
    if damage == "unknown leaf":
        tensors = {"lora_unet_conv_in.q_layer": tensors[first]}
    elif damage == "other layer":
        tensors = {key.replace("conv_in", "conv_over"): tensor for key, tensor in tensors.items()}
    elif damage == "other shape":
        tensors[first] = torch.zeros(9, 2)
    save_file({} if damage == "no tensors" else tensors, path)

    with pytest.raises(CheckpointError, match=r"x\.safetensors"):
        LycorisNetwork.from_file(path, model.unet, model.text_encoder)
