from __future__ import annotations

from dataclasses import replace

import pytest

from sd_contract.options import OptionSpec
from tests.options.answers import MIDDLE, NEWEST, OLDEST, answers
from train_tools.errors import OptionValueError
from train_tools.options.discovered import discovered_options, specs_of
from train_tools.options.discovery import ParsedOption
from train_tools.options.option import Danger


def table(commit=NEWEST, **given):
    return discovered_options("kohya", answers(commit), **given)


def invented(name, **facts):
    plain = ParsedOption(
        name=name, action="_StoreAction", type="str", nargs=None, default=None, choices=None, help="what / なに"
    )
    return replace(plain, **facts)


def test_it_has_the_options_of_all_scripts_and_ours_for_datasets():
    names = {option.name for options in answers(NEWEST).values() for option in options}
    assert set(table()) == names | {"dataset", "repeats", "captions"}


@pytest.mark.parametrize(
    ("commit", "kind", "value"),
    [(OLDEST, "float", 1e-5), (MIDDLE, "floats", (1e-5,)), (NEWEST, "floats", (1e-5,))],
)
def test_a_type_that_changed_is_that_of_the_checkout(commit, kind, value):
    """One rate until 2024, a list after it."""
    assert table(commit)["text_encoder_lr"].spec.type == kind
    assert table(commit).value_from_text("text_encoder_lr", "1e-5") == value


@pytest.mark.parametrize(("commit", "taken"), [(OLDEST, False), (MIDDLE, True)])
def test_a_share_of_the_steps_is_taken_where_the_checkout_takes_one(commit, taken):
    if taken:
        assert table(commit).value_from_text("lr_warmup_steps", "0.1") == 0.1
    else:
        with pytest.raises(OptionValueError, match=r"lr_warmup_steps = 0\.1: a whole number is wanted"):
            table(commit).value_from_text("lr_warmup_steps", "0.1")


def test_an_option_of_later_years_is_unknown_to_an_older_checkout():
    assert table(MIDDLE).value_from_text("validation_split", "0.1") == 0.1
    with pytest.raises(OptionValueError, match="'validation_split': kohya has no such option"):
        table(OLDEST).settable("validation_split")


def test_a_misspelt_option_is_told_with_the_nearest():
    with pytest.raises(OptionValueError, match="Did you mean 'network_dim'"):
        table().settable("network_dimm")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("save_precision", "float8"),
        ("network_train_unet_only", "false"),
        ("unet_lr", "1e-4"),
        ("resolution", 64),
        ("network_dim", 8.0),
    ],
)
def test_what_kohyas_config_file_would_swallow_is_refused(name, value):
    with pytest.raises(OptionValueError, match=name):
        table().checked_value(name, value)


def test_scripts_that_disagree_about_a_default_have_none_together():
    """An explicit value then always counts as part of what a run is."""
    defaults = {script: specs_of(options) for script, options in answers(NEWEST).items()}
    flux, lumina = (defaults[f"{family}_train_network"]["discrete_flow_shift"] for family in ("flux", "lumina"))
    assert (flux.default, lumina.default) == (3.0, 6.0)
    assert table()["discrete_flow_shift"].spec.default is None
    assert table().canonical({"discrete_flow_shift": 3.0}) == {"discrete_flow_shift": 3.0}
    assert table().canonical({"network_alpha": 1.0}) == {}


def test_choices_of_several_scripts_are_put_together():
    choices = table()["timestep_sampling"].spec.choices
    assert {"sigma", "flux_shift", "nextdit_shift"} <= set(choices)


@pytest.mark.parametrize(
    ("name", "variable"), [("wandb_api_key", "WANDB_API_KEY"), ("huggingface_token", "HF_TOKEN")]
)
def test_secrets_are_marked_and_go_by_the_environment(name, variable):
    assert table()[name].danger is Danger.SECRET
    with pytest.raises(OptionValueError, match=f"it is a secret.*{variable}"):
        table().settable(name)


@pytest.mark.parametrize(
    ("name", "danger"),
    [("warp_api_key", Danger.SECRET), ("warp_module", Danger.CODE), ("warp_factor", Danger.NONE)],
)
def test_an_unknown_option_is_judged_by_its_name_and_stands_in_the_last_group(name, danger):
    found = discovered_options("kohya", {"train_network": [invented(name)]})[name]
    assert (found.danger, found.group, found.help) == (danger, "all", "what")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("network_module", "networks.lora"),
        ("network_module", "lycoris.kohya"),
        ("optimizer_type", "AdamW8bit"),
        ("optimizer_type", "pytorch_optimizer.CAME"),
        ("lr_scheduler_type", "CosineAnnealingLR"),
    ],
)
def test_known_code_may_be_named(name, value):
    assert table().checked_value(name, value) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("network_module", "antigravity"),
        ("network_module", "networks_evil.lora"),
        ("optimizer_type", "os.system"),
        ("optimizer_type", "torch.optimizer.Evil"),
        ("dataset_class", "evil.Dataset"),
    ],
)
def test_other_code_is_refused_until_the_user_allows_it(name, value):
    with pytest.raises(OptionValueError, match="names code that Train Tools does not know"):
        table().value_from_text(name, value)
    assert table(allowed=(value,)).checked_value(name, value) == value


def test_network_modules_of_the_checkout_may_be_named():
    assert table(modules=("networks.oft",)).checked_value("network_module", "networks.oft") == "networks.oft"


@pytest.mark.parametrize(
    ("facts", "kind"),
    [
        ({"type": "", "action": "_StoreTrueAction", "nargs": 0, "default": False}, "bool"),
        ({"type": "int"}, "int"),
        ({"type": "float", "nargs": "*"}, "floats"),
        ({"nargs": "+"}, "strings"),
        ({"nargs": "?"}, "str"),
        ({"type": "Path"}, "str"),
    ],
)
def test_types_are_those_of_the_parser(facts, kind):
    assert specs_of([invented("warp", **facts)])["warp"].type == kind


@pytest.mark.parametrize(
    "facts",
    [{"type": "int", "nargs": "*"}, {"type": "parse_warp"}, {"action": "_AppendAction"}, {"action": "Own"}],
)
def test_a_value_that_we_can_not_write_is_refused_and_not_guessed(facts):
    odd = discovered_options("kohya", {"train_network": [invented("warp", **facts)]})
    with pytest.raises(OptionValueError, match="warp can't be set: its values are of a kind"):
        odd.settable("warp")


def test_options_of_our_own_stand_first():
    own = OptionSpec(name="script", type="str", default="")
    assert list(table(own=(own,)))[:4] == ["dataset", "repeats", "captions", "script"]
