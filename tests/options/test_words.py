from __future__ import annotations

import pytest

from sd_contract.options import OPTIONS
from tests.options.answers import MIDDLE, NEWEST, OLDEST, answers
from train_tools.grids.expressions import values_of
from train_tools.options.discovered import discovered_options
from train_tools.options.words import ALL, groups, words, words_for


@pytest.mark.parametrize("commit", [OLDEST, MIDDLE, NEWEST])
def test_every_option_of_kohyas_scripts_has_words(commit):
    names = {option.name for options in answers(commit).values() for option in options}
    assert [name for name in sorted(names) if name not in words()] == []


def test_the_four_scripts_of_stable_diffusion_and_flux_have_227_options_and_help():
    scripts = ("train_network", "sdxl_train_network", "flux_train_network", "sd3_train_network")
    assert len({option.name for script in scripts for option in answers(NEWEST)[script]}) == 227


def test_the_groups_of_the_bundled_engine_are_the_same():
    assert {spec.name: words_for(spec.name).group for spec in OPTIONS} == {
        spec.name: spec.group for spec in OPTIONS
    }


def test_every_group_has_a_title_and_no_two_options_share_a_label():
    said = words()
    assert {entry.group for entry in said.values()} | {ALL} == set(groups())
    assert len({entry.label for entry in said.values()}) == len(said)


def test_words_are_short_and_plain():
    for name, entry in words().items():
        assert entry.label == entry.label.strip() != "", name
        assert len(entry.label) <= 40, name
        assert 5 <= len(entry.help) <= 120, name
        assert not entry.help.endswith("."), name


def test_what_is_usual_is_what_the_option_takes():
    table = discovered_options("kohya", answers(NEWEST))
    usual = {name: option.usual for name, option in table.items() if option.usual and not option.refusal}
    assert len(usual) > 50
    for name, text in usual.items():
        assert values_of(table, name, text), name


def test_an_option_that_nobody_has_heard_of_is_shown_under_its_own_name():
    assert (words_for("warp_drive_factor").label, words_for("warp_drive_factor").group) == (
        "Warp drive factor",
        "all",
    )
