"""Ranks and rates by layer name, as kohya's networks.lora gives them."""

import pytest

from sd_contract.errors import OptionError
from sd_contract.networks import SD, SDXL, Rank, block_of, network_plan
from sd_contract.options import settings_from

ATTENTION = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q"
CONVOLUTION = "lora_unet_mid_block_resnets_0_conv1"
TEXT = "lora_te_text_model_encoder_layers_0_mlp_fc1"


def plan(*texts, family="sd1", **options):
    values = {"network_dim": 8, "network_alpha": 4.0, "network_args": list(texts), **options}
    return network_plan(settings_from(values), family)


@pytest.mark.parametrize(
    ("name", "block"),
    [
        ("lora_unet_down_blocks_0_resnets_1_conv1", 2),
        ("lora_unet_down_blocks_0_downsamplers_0_conv", 3),
        ("lora_unet_down_blocks_3_resnets_1_conv2", 11),
        ("lora_unet_mid_block_attentions_0_proj_in", 12),
        ("lora_unet_up_blocks_0_resnets_0_conv1", 13),
        ("lora_unet_up_blocks_0_upsamplers_0_conv", 15),
        ("lora_unet_up_blocks_3_attentions_2_proj_out", 24),
    ],
)
def test_blocks_of_sd_are_counted_as_in_kohyas_lists(name, block):
    assert block_of(name, SD) == block


@pytest.mark.parametrize(
    ("name", "block"),
    [
        ("lora_unet_input_blocks_1_0_in_layers_2", 2),
        ("lora_unet_input_blocks_8_1_proj_in", 9),
        ("lora_unet_middle_block_1_proj_in", 11),
        ("lora_unet_output_blocks_0_1_proj_in", 13),
        ("lora_unet_output_blocks_8_0_in_layers_2", 21),
    ],
)
def test_blocks_of_sdxl_are_counted_as_in_kohyas_lists(name, block):
    assert block_of(name, SDXL) == block


def test_plain_lora_gives_all_layers_one_rank_and_no_convolution_any():
    simple = plan()

    assert simple.rank_of(ATTENTION, large_kernel=False) == Rank(8, 4.0)
    assert simple.rank_of(CONVOLUTION, large_kernel=True) is None
    assert not simple.covers_convolutions


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        (["conv_dim=4"], Rank(4, 1.0)),
        (["conv_dim=4", "conv_alpha=2"], Rank(4, 2.0)),
        (["conv_dim=4", "conv_alpha=0"], Rank(4, 4.0)),
    ],
)
def test_only_wide_kernels_have_the_convolutions_rank(texts, wanted):
    both = plan(*texts)

    assert both.rank_of(CONVOLUTION, large_kernel=True) == wanted
    assert both.rank_of("lora_unet_mid_block_resnets_0_time_emb_proj", large_kernel=False) == Rank(8, 4.0)
    assert both.covers_convolutions


def test_ranks_and_alphas_of_blocks_hold_in_the_unet_alone():
    dims, alphas = ",".join(map(str, range(25))), ",".join(str(n / 2) for n in range(25))
    listed = plan(f"block_dims={dims}", f"block_alphas={alphas}", "conv_dim=3")

    assert listed.rank_of(ATTENTION, large_kernel=False) == Rank(4, 2.0)
    assert listed.rank_of(TEXT, large_kernel=False) == Rank(8, 4.0)
    assert listed.rank_of(CONVOLUTION, large_kernel=True) == Rank(3, 1.0)
    assert plan(f"block_dims={dims}").rank_of(ATTENTION, large_kernel=False) == Rank(4, 4.0)


def test_a_block_of_rank_0_has_no_lora():
    dims = ",".join(["0"] * 5 + ["8"] * 20)

    assert plan(f"block_dims={dims}").rank_of(ATTENTION, large_kernel=False) is None
    assert plan(f"conv_block_dims={dims}").rank_of(ATTENTION, large_kernel=False) == Rank(8, 4.0)


@pytest.mark.parametrize(("family", "needed"), [("sd1", 25), ("sd2", 25), ("sdxl", 23)])
def test_a_list_of_another_length_is_an_error(family, needed):
    with pytest.raises(OptionError, match=f"block_dims has 3 values; this kind of base model needs {needed}"):
        plan("block_dims=8,8,8", family=family)


def test_a_weight_of_0_takes_the_lora_away_and_others_scale_the_rate():
    weighed = plan("down_lr_weight=1,1,1,1,0,0.5", "mid_lr_weight=0.25", "block_lr_zero_threshold=0.3")

    assert weighed.rank_of(ATTENTION, large_kernel=False) is None
    assert weighed.rate_factor("lora_unet_down_blocks_1_attentions_1_proj_in") == 0.5
    assert weighed.rank_of("lora_unet_mid_block_attentions_0_proj_in", large_kernel=False) is None
    assert weighed.rate_factor("lora_unet_up_blocks_0_resnets_0_conv1") == 1.0
    assert weighed.rank_of(TEXT, large_kernel=False) == Rank(8, 4.0)


def test_weights_of_sdxl_count_from_its_first_block_that_learns():
    weighed = plan("down_lr_weight=0.1,0.2,0.3", "up_lr_weight=linear", family="sdxl")

    assert weighed.rate_factor("lora_unet_input_blocks_2_0_in_layers_2") == 0.3
    assert weighed.rate_factor("lora_unet_output_blocks_8_0_in_layers_2") == 1.0
    assert weighed.rate_factor("lora_unet_output_blocks_4_0_in_layers_2") == 0.5
