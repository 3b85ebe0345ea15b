"""What `network_args` say of LyCORIS' networks, and what does not go together."""

import pytest

from sd_contract.errors import OptionError
from sd_contract.options import network_arguments, settings_from


def read(*texts, module="lycoris.kohya"):
    options = {"network_module": module, "network_args": list(texts)}
    return network_arguments(settings_from(options).network)


def test_values_are_read_as_lycoris_reads_them():
    found = read("algo=LoKr", "factor=8", "decompose_both=true", "conv_dim=4", "rank_dropout=0.1")

    assert (found.conv_dim, found.rank_dropout) == (4, 0.1)
    assert (found.lycoris.algo, found.lycoris.factor, found.lycoris.decompose_both) == ("lokr", 8, True)
    assert read().lycoris.algo == "locon"
    assert read("conv_alpha=2").conv_alpha == 2
    assert network_arguments(settings_from({}).network).lycoris is None


def test_false_is_false():
    assert not read("algo=lokr", "decompose_both=False").lycoris.decompose_both


@pytest.mark.parametrize("text", ["use_cp=True", "use_conv_cp=1", "disable_conv_cp=False", "use_tucker=yes"])
def test_older_names_mean_what_they_meant(text):
    assert read(text).lycoris.use_tucker


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (("algo=lorka",), "Did you mean"),
        (("algo=dora",), "DoRA is dora_wd=True beside algo=locon, loha or lokr"),
        (("algo=tlora",), "can't be used"),
        (("factor=8",), "factor means nothing to algo=locon, only to lokr"),
        (("algo=full", "dora_wd=True"), "dora_wd means nothing to algo=full, only to locon, loha and lokr"),
        (("algo=loha", "constraint=1"), "only to diag-oft and boft"),
        (("algo=glora", "use_tucker=True"), "use_tucker means nothing to algo=glora"),
        (("algo=ia3", "rs_lora=True"), "rs_lora means nothing to algo=ia3"),
        (("wd_on_output=True",), "has no effect without dora_wd=True"),
        (("algo=lokr", "full_matrix=True", "decompose_both=True"), "Remove one of them"),
        (("use_cp=True", "use_tucker=True"), "use_tucker stands there twice"),
        (("use_tucker=maybe",), "True or False is wanted"),
        (("algo=lokr", "factor=0"), "-1, or a whole number from 1 on, is wanted"),
        (("block_dims=1,2",), "lycoris.kohya has no such argument, only networks.lora"),
        (("unit=4",), "only networks.dylora"),
    ],
)
def test_what_can_not_be_is_said_with_what_would_do(texts, told):
    with pytest.raises(OptionError, match="network_args") as caught:
        read(*texts)
    assert told in str(caught.value)


def test_the_plain_lora_knows_none_of_it():
    with pytest.raises(OptionError, match=r"networks\.lora has no such argument, only lycoris\.kohya"):
        read("algo=loha", module="networks.lora")


def test_kohyas_dylora_is_lycoris_with_its_own_word_for_blocks():
    plain, wide = read("unit=2", module="networks.dylora"), read("conv_dim=4", module="networks.dylora")

    assert (plain.lycoris.algo, plain.lycoris.block_size, plain.lycoris.preset) == ("dylora", 2, "attn-mlp")
    assert (wide.lycoris.block_size, wide.lycoris.preset) == (1, "locon")
