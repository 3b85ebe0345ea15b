import pytest

from sd_contract.errors import OptionError
from sd_contract.networks import dropout_of
from sd_contract.options import network_arguments, settings_from
from sd_contract.options.network_arguments import BlockWeights


def read(*texts, **options):
    return network_arguments(settings_from({"network_args": list(texts), **options}).network)


def test_values_are_read_as_what_they_are():
    arguments = read(
        "conv_dim=8", "conv_alpha = 0.5", "block_dims=1,2, 3", "loraplus_lr_ratio=16", "rank_dropout=.1"
    )

    assert (arguments.conv_dim, arguments.conv_alpha, arguments.block_dims) == (8, 0.5, (1, 2, 3))
    assert (arguments.loraplus_lr_ratio, arguments.rank_dropout, arguments.module_dropout) == (16, 0.1, None)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("conv_dimm=8", "\"conv_dimm=8\" can't be used. Did you mean 'conv_dim'?"),
        ("conv_dim", "Did you mean 'conv_dim'?"),
        ("zzz=1", "Names are conv_dim, conv_alpha"),
        ("conv_dim=8.0", '"conv_dim=8.0": a whole number from 1 on is wanted'),
        ("conv_dim=0", "a whole number from 1 on is wanted"),
        ("conv_dim=", "a whole number from 1 on is wanted"),
        ("conv_alpha=nan", "a number from 0 on is wanted"),
        ("rank_dropout=1", "from 0 on and below 1 is wanted"),
        ("block_dims=8,x", "a list of whole numbers"),
        ("up_lr_weight=sin", "or one of sine, cosine, linear, reverse_linear, zeros"),
        ("up_lr_weight=1,-1", "a list of numbers"),
        ("loraplus_lr_ratio=0", "a number above 0 is wanted"),
        ("conv_alpha=1", "has no effect without conv_dim"),
    ],
)
def test_a_mistake_is_named_with_what_would_do(text, told):
    with pytest.raises(OptionError, match="network_args") as caught:
        read(text)
    assert told in str(caught.value)


def test_a_name_given_twice_is_an_error():
    with pytest.raises(OptionError, match="conv_dim stands there twice"):
        read("conv_dim=8", "conv_dim=4")


@pytest.mark.parametrize(
    ("weights", "wanted"),
    [
        (BlockWeights(preset="sine"), [0, 0.7071, 1]),
        (BlockWeights(preset="cosine", base=0.25), [1.25, 0.9571, 0.25]),
        (BlockWeights(preset="linear"), [0, 0.5, 1]),
        (BlockWeights(preset="reverse_linear"), [1, 0.5, 0]),
        (BlockWeights(preset="zeros", base=1.5), [1.5, 1.5, 1.5]),
        (BlockWeights(numbers=(0.5,)), [0.5, 1, 1]),
        (BlockWeights(numbers=(1, 2, 3, 4)), [1, 2, 3]),
    ],
)
def test_weights_of_blocks_are_listed_or_follow_a_curve(weights, wanted):
    assert weights.over(3) == pytest.approx(wanted, abs=1e-4)


def test_an_empty_item_is_no_weight():
    assert read("down_lr_weight=1,,0.5").down_lr_weight.over(3) == [1, 0, 0.5]
    assert read("mid_lr_weight=0.5").mid_lr_weight.over(1) == [0.5]


def test_dropout_may_stand_in_either_place_but_not_in_both():
    assert dropout_of(settings_from({"network_args": ["dropout=0.2"]}).network) == 0.2
    assert dropout_of(settings_from({"network_dropout": 0.3}).network) == 0.3
    with pytest.raises(OptionError, match="are the same"):
        read("dropout=0.2", network_dropout=0.3)
