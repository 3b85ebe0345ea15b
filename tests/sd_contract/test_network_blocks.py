"""Which layers network_blocks and network_element leave; blocks are called as in merges of models."""

import pytest

from sd_contract.errors import OptionError
from sd_contract.networks import SD, SDXL, block_name, network_plan
from sd_contract.options import settings_from

ATTENTION = "lora_unet_down_blocks_0_attentions_1_transformer_blocks_0_attn2_to_k"
OWN = ATTENTION.replace("attn2", "attn1")
TEXT = "lora_te_text_model_encoder_layers_0_mlp_fc1"


@pytest.mark.parametrize(
    ("name", "layout", "block"),
    [
        (TEXT, SD, "BASE"),
        ("lora_unet_down_blocks_0_attentions_0_proj_in", SD, "IN01"),
        ("lora_unet_down_blocks_2_downsamplers_0_conv", SD, "IN09"),
        ("lora_unet_mid_block_attentions_0_proj_in", SD, "M00"),
        ("lora_unet_up_blocks_0_resnets_0_conv1", SD, "OUT00"),
        ("lora_unet_up_blocks_3_attentions_2_proj_in", SD, "OUT11"),
        ("lora_te2_text_model_encoder_layers_0_mlp_fc1", SDXL, "BASE"),
        ("lora_unet_input_blocks_4_1_proj_in", SDXL, "IN04"),
        ("lora_unet_middle_block_1_proj_in", SDXL, "M00"),
        ("lora_unet_output_blocks_8_0_in_layers_2", SDXL, "OUT08"),
    ],
)
def test_blocks_are_counted_as_in_merges(name, layout, block):
    assert block_name(name, layout) == block


def taken(name, **options):
    plan = network_plan(settings_from(options), "sd1")
    return plan.rank_of(name, large_kernel=False) is not None


def test_only_chosen_blocks_and_elements_are_changed():
    assert taken(ATTENTION) and taken(TEXT)
    assert taken(ATTENTION, network_blocks=("IN02",)) and not taken(ATTENTION, network_blocks=("IN01", "BASE"))
    assert taken(TEXT, network_blocks=("BASE",)) and not taken(TEXT, network_blocks=("IN02",))
    assert taken(ATTENTION, network_element="CrossAttention")
    assert not taken(OWN, network_element="CrossAttention") and not taken(TEXT, network_element="CrossAttention")


def test_a_block_that_is_none_is_told():
    with pytest.raises(OptionError, match="network_blocks: there is no 'IN12'"):
        settings_from({"network_blocks": ("IN12",)})


def test_the_network_type_loha_is_lycoris_under_another_name():
    network = settings_from({"network_type": "loha", "network_args": ("conv_dim=2",)}).network

    assert network.network_module == "lycoris.kohya"
    assert network.network_args == ("algo=loha", "preset=locon", "use_tucker=True", "conv_dim=2")
