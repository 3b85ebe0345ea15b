import pytest

from train_tools.errors import OptionValueError
from train_tools.previews.samplers import SAMPLERS, sampler_named


@pytest.mark.parametrize("spelling", ["dpmpp_2m", "DPMPP_2M", "DPM++ 2M", "dpm++ 2m", "DPM++2M"])
def test_a_sampler_has_one_name_however_it_is_spelt(spelling):
    assert sampler_named(spelling) == "dpmpp_2m"


def test_every_name_and_label_is_known():
    assert [sampler_named(text) for text in SAMPLERS] == [sampler_named(text) for text in SAMPLERS.values()]


def test_an_unknown_sampler_is_told_with_those_there_are():
    with pytest.raises(OptionValueError, match=r"'heun' is not known.*ddim, euler, euler_a, dpmpp_2m"):
        sampler_named("heun")
