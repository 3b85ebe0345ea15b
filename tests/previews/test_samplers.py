import pytest

from train_tools.errors import OptionValueError
from train_tools.previews.samplers import SAMPLERS, SCHEDULERS, label_of, parted, sampler_named, scheduler_named


@pytest.mark.parametrize("spelling", ["dpmpp_2m", "DPMPP_2M", "DPM++ 2M", "dpm++ 2m", "DPM++2M"])
def test_a_sampler_has_one_name_however_it_is_spelt(spelling):
    assert sampler_named(spelling) == "dpmpp_2m"


def test_every_name_and_label_is_known():
    assert [sampler_named(text) for text in SAMPLERS] == [sampler_named(text) for text in SAMPLERS.values()]


def test_an_unknown_sampler_is_told_with_those_there_are():
    with pytest.raises(OptionValueError, match=r"'k_lms_b' is not known.*ddim, euler, euler_a, dpmpp_2m"):
        sampler_named("k_lms_b")


@pytest.mark.parametrize(
    ("text", "name", "parts"),
    [
        ("DPM++ 2M Karras", "dpmpp_2m_karras", ("dpmpp_2m", "karras")),
        ("dpm++ 2m", "dpmpp_2m", ("dpmpp_2m", "")),
        ("DPM++ 2M SDE Exponential", "dpmpp_2m_sde_exponential", ("dpmpp_2m_sde", "exponential")),
        ("Euler a", "euler_a", ("euler_a", "")),
        ("DPM2 a Karras", "dpm_2_a_karras", ("dpm_2_a", "karras")),
    ],
)
def test_names_of_webuis_that_hold_a_scheduler_are_taken_apart(text, name, parts):
    assert sampler_named(text) == name
    assert parted(name) == parts
    assert sampler_named(label_of(name)) == name


def test_every_scheduler_is_known_by_its_label_and_automatic_leaves_it_open():
    assert [scheduler_named(label) for label in SCHEDULERS.values()] == list(SCHEDULERS)
    assert scheduler_named("Automatic") == ""
    with pytest.raises(OptionValueError, match="Choose one of: karras"):
        scheduler_named("Align Your Steps")


def test_a_sampler_that_leaves_no_choice_says_so():
    with pytest.raises(
        OptionValueError, match=r"PLMS can't be run with the scheduler Karras. It takes: SGM Uniform"
    ):
        parted("pndm", "karras")
