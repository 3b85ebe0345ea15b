"""Names of layers, against the modules that diffusers and transformers really have, in all families."""

import pytest
import torch
from safetensors.torch import load_file

from lora_engine.families import load
from lora_engine.maths.streams import Streams
from lora_engine.networks.lora import LoraNetwork
from lora_engine.tools.base_files import weight_of_target
from sd_contract.base_models.base_model import inspect_trainable
from sd_contract.errors import OptionError
from sd_contract.loras.blocks import BLOCKS, block_label, block_weights, weight_of
from sd_contract.loras.facts import family_of_lora
from sd_contract.loras.names import key_of, named
from sd_contract.loras.targets import by_tensor, targets
from sd_contract.networks import LAYOUTS, NetworkPlan, Rank
from sd_contract.tensors.tensor_files import read_header

FAMILIES = ("sd1", "sd2", "sdxl")


def network_of(model, convolutions=True):
    plan = NetworkPlan(
        layout=LAYOUTS[model.base.family], rank=Rank(2, 1.0), large=Rank(2, 1.0) if convolutions else None
    )
    return LoraNetwork.planned(model.unet, model.text_encoder, plan, streams=Streams(0))


@pytest.fixture(scope="module", params=FAMILIES)
def model(request, tiny_models):
    return load(inspect_trainable(tiny_models[request.param]))


@pytest.fixture
def network(model):
    """A LoRA on every layer that can have one."""
    network = network_of(model)
    yield network
    network.detach()


def test_a_base_models_file_has_the_layers_that_training_finds(model, network):
    shapes = {name: tuple(one.base.weight.shape) for name, one in network.modules.items()}
    network.detach()
    small = network_of(model, convolutions=False)
    attention = set(small.modules)
    small.detach()
    found = targets(model.base, read_header(model.base.path).shapes)

    assert {name: target.shape for name, target in found.items()} == shapes
    assert {name for name, target in found.items() if not target.in_convolution_block} == attention
    assert {layer for layers in by_tensor(found).values() for layer in layers} == set(found)


def test_the_weight_of_a_target_is_the_layers(model, network):
    tensors = load_file(model.base.path)
    for name, target in targets(model.base, read_header(model.base.path).shapes).items():
        assert torch.equal(weight_of_target(tensors, target).float(), network.modules[name].base.weight.float())


def test_names_of_all_schemes_lead_back_to_the_same_layer(model, network):
    is_sdxl = model.base.family == "sdxl"
    for name in network.modules:
        for scheme in ("kohya", "kohya-diffusers"):
            assert key_of(f"{named(name, scheme)}.lora_up.weight", is_sdxl=is_sdxl).layer == name
        key = key_of(f"{named(name, 'peft')}.lora_A.weight", is_sdxl=is_sdxl)
        assert (key.layer, key.leaf) == (name, "lora_down.weight")


def test_dotted_names_are_modules_of_diffusers_and_transformers(model, network):
    encoders = model.text_encoder if model.base.family == "sdxl" else [model.text_encoder]
    paths = {f"unet.{path}" for path, _ in model.unet.named_modules()}
    for part, encoder in zip(("text_encoder", "text_encoder_2"), encoders, strict=False):
        paths |= {f"{part}.text_model.{p.removeprefix('text_model.')}" for p, _ in encoder.named_modules()}
    names = [named(name, "peft") for name in network.modules]
    assert set(names) <= paths and len(set(names)) == len(names)


def test_every_layer_of_the_u_net_is_in_a_block(model, network):
    is_sdxl = model.base.family == "sdxl"
    labels = {name: block_label(name, is_sdxl=is_sdxl) for name in network.modules}
    assert set(labels.values()) <= set(BLOCKS)
    assert {label for name, label in labels.items() if "_te" in name} == {"BASE"}


@pytest.mark.parametrize(
    ("layer", "is_sdxl", "label"),
    [
        ("lora_unet_down_blocks_0_attentions_0_proj_in", False, "IN01"),
        ("lora_unet_down_blocks_2_downsamplers_0_conv", False, "IN09"),
        ("lora_unet_mid_block_attentions_0_proj_in", False, "MID"),
        ("lora_unet_up_blocks_1_attentions_2_proj_in", False, "OUT05"),
        ("lora_unet_input_blocks_4_1_proj_in", True, "IN04"),
        ("lora_unet_middle_block_1_proj_in", True, "MID"),
        ("lora_unet_output_blocks_0_1_proj_in", True, "OUT00"),
        ("lora_te2_text_model_encoder_layers_0_mlp_fc1", True, "BASE"),
        ("lora_unet_time_embedding_linear_1", False, None),
    ],
)
def test_blocks_are_those_of_kohyas_tool(layer, is_sdxl, label):
    assert block_label(layer, is_sdxl=is_sdxl) == label


def test_block_weights_are_read_as_lists_and_by_name():
    twelve = block_weights("[1,0,0,0,0.5,1,1,1,1,1,1,2]")
    assert (twelve["BASE"], twelve["IN04"], twelve["IN08"], twelve["OUT05"]) == (1, 0, 0.5, 2)
    assert "IN01" not in twelve
    assert block_weights("1," * 25 + "0")["OUT11"] == 0
    named_weights = block_weights("in04=0.5, OUT05=0")
    assert weight_of("lora_unet_input_blocks_4_1_proj_in", named_weights, is_sdxl=True) == 0.5
    assert weight_of("lora_unet_input_blocks_5_1_proj_in", named_weights, is_sdxl=True) == 1


@pytest.mark.parametrize(
    "text", ["[1,2]", "a", "IN77=1", "IN01=x", '["a"]', "[true]", "[NaN]", "{}", "", "IN04=nan"]
)
def test_block_weights_that_are_none_are_told(text):
    with pytest.raises(OptionError, match="block weights"):
        block_weights(text)


@pytest.mark.parametrize(
    ("name", "is_sdxl", "layer"),
    [
        ("unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_out_lora.up.weight",
         False,
         "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_out_0"),
        ("text_encoder.text_model.encoder.layers.3.self_attn.q_proj.lora_linear_layer.up.weight", False,
         "lora_te_text_model_encoder_layers_3_self_attn_q_proj"),
        ("text_encoder_2.encoder.layers.3.mlp.fc1.lora_B.weight", True,
         "lora_te2_text_model_encoder_layers_3_mlp_fc1"),
        ("unet.base_model.model.mid_block.resnets.0.conv1.lora_B.default.weight", True,
         "lora_unet_middle_block_0_in_layers_2"),
        ("lora_unet_up_blocks_0_upsamplers_0_conv.lora_up.weight", True, "lora_unet_output_blocks_2_2_conv"),
        ("lora_unet_output_blocks_2_1_conv.lora_up.weight", False, "lora_unet_up_blocks_0_upsamplers_0_conv"),
    ],
)  # fmt: skip
def test_names_of_other_programs_are_known(name, is_sdxl, layer):
    key = key_of(name, is_sdxl=is_sdxl)
    assert (key.layer, key.leaf) == (layer, "lora_up.weight")


def test_what_is_no_layer_has_no_dotted_name():
    assert key_of("bundle_emb.cat", is_sdxl=False) is None
    with pytest.raises(ValueError, match="what_ever"):
        named("lora_unet_what_ever", "peft")


def test_the_family_is_told_by_names_metadata_and_widths():
    cross = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight"
    assert family_of_lora({"lora_te1_x.alpha": ()}, {}) == "sdxl"
    assert family_of_lora({"lora_unet_x.alpha": ()}, {"ss_base_model_version": "sd_v2_v"}) == "sd2"
    assert family_of_lora({}, {"modelspec.architecture": "stable-diffusion-xl-v1-base/lora"}) == "sdxl"
    assert family_of_lora({cross: (4, 768)}, {}) == "sd1"
    assert family_of_lora({cross: (4, 1024)}, {}) == "sd2"
    assert family_of_lora({cross: (4, 8)}, {}) is None
