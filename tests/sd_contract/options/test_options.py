import pytest

from sd_contract.errors import OptionError
from sd_contract.options import OPTIONS, check, kohya_options, option, parse, supported

OWN_GROUPS = ("concept", "difference", "stages")
OWN = {"state_dir", "state_every_n_steps", "state_every_n_minutes", "ema_decay"}
OWN |= {"prior_preservation_weight", "masked_prior_weight", "timestep_sampling", "sigmoid_scale"}
OWN |= {"network_type", "network_element", "network_blocks", "network_strength", "save_overwrite"}
OWN |= {"dynamic_crop", "dynamic_crop_resolution", "dynamic_crop_zoom"}
OWN |= {"logging_save_csv"}
OWN |= {"fixed_timesteps_in_batch", *(spec.name for spec in OPTIONS if spec.group in OWN_GROUPS)}


def message(name, value, where="run.toml"):
    with pytest.raises(OptionError) as caught:
        check(name, value, where)
    return str(caught.value)


def test_every_supported_option_is_one_of_kohyas_with_the_same_type():
    kohyas = [spec for spec in OPTIONS if spec.name not in OWN]
    assert {spec.name for spec in kohyas} <= kohya_options().keys()
    assert all(spec.type == kohya_options()[spec.name].type for spec in kohyas)


def test_defaults_are_kohyas_except_where_kohya_has_none_that_works():
    ours = {spec.name: spec.default for spec in OPTIONS if spec.default not in ((), "networks.lora", "AdamW")}

    assert OWN.isdisjoint(kohya_options())
    assert {n: v for n, v in ours.items() if n not in OWN} == {
        name: kohya_options()[name].default for name in ours.keys() - OWN
    }


def test_an_unknown_option_is_named_with_the_nearest_one():
    assert message("learing_rate", 1.0) == (
        "run.toml: unknown option 'learing_rate'. Did you mean 'learning_rate'?"
    )


def test_an_option_like_no_other_points_to_the_page():
    assert message("xyzzy", 1) == "run.toml: unknown option 'xyzzy'. doc/engine.md lists the options."


def test_kohyas_other_options_are_not_called_unknown():
    assert not supported("full_fp16")
    assert "'full_fp16' is not supported by the bundled engine" in message("full_fp16", True)


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("network_dim", "8", 'network_dim = "8": a whole number, without quotes is wanted.'),
        ("network_dim", True, "network_dim = true: a whole number, without quotes is wanted."),
        ("network_dim", 8.0, "network_dim = 8.0: a whole number, without quotes is wanted."),
        ("learning_rate", "1e-4", 'learning_rate = "1e-4": a number, without quotes is wanted.'),
        ("learning_rate", True, "learning_rate = true: a number, without quotes is wanted."),
        ("learning_rate", float("nan"), "learning_rate = nan: a number, without quotes is wanted."),
        ("learning_rate", 10**400, f"learning_rate = {10**400}: a number, without quotes is wanted."),
        ("shuffle_caption", 1, "shuffle_caption = 1: true or false, without quotes is wanted."),
        ("shuffle_caption", "false", 'shuffle_caption = "false": true or false, without quotes is wanted.'),
        ("resolution", 512, "resolution = 512: a text in quotes is wanted."),
        ("optimizer_args", "eps=1", 'optimizer_args = "eps=1": a list of texts is wanted.'),
        ("text_encoder_lr", ["1"], 'text_encoder_lr = ["1"]: a number or a list of numbers is wanted.'),
        ("network_dim", 0, "network_dim = 0 is too small. 1 or more is allowed."),
        ("save_precision", "float8", 'save_precision = "float8" can\'t be used. Allowed: float, fp16, bf16.'),
        (
            "network_module",
            "os",
            'network_module = "os" can\'t be used. Allowed: networks.lora, lycoris.kohya, networks.dylora.',
        ),
    ],
)
def test_nothing_is_coerced(name, value, wanted):
    assert message(name, value) == f"run.toml: {wanted}"


def test_whole_numbers_are_taken_where_numbers_are_wanted():
    assert check("learning_rate", 1) == 1.0
    assert isinstance(check("learning_rate", 1), float)


def test_one_number_is_taken_where_a_list_of_numbers_is_wanted():
    assert check("text_encoder_lr", 5e-5) == (5e-5,)


def test_the_type_of_a_warm_up_is_kept():
    assert [type(check("lr_warmup_steps", value)) for value in (1, 1.0)] == [int, float]


def test_capitals_of_a_choice_do_not_matter():
    assert check("optimizer_type", "adamw") == "AdamW"


def test_an_option_without_default_may_be_nothing():
    assert check("seed", None) is None
    assert "null" in message("network_alpha", None) or "None" in message("network_alpha", None)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("shuffle_caption", "true", True),
        ("network_dim", "8", 8),
        ("learning_rate", "1e-4", 1e-4),
        ("lr_warmup_steps", "10", 10),
        ("lr_warmup_steps", "0.1", 0.1),
        ("optimizer_args", "eps=1e-8 'betas=0.9, 0.99'", ("eps=1e-8", "betas=0.9, 0.99")),
        ("text_encoder_lr", "1e-4 2e-4", (1e-4, 2e-4)),
        ("training_comment", "100", "100"),
    ],
)
def test_a_users_text_becomes_a_typed_value(name, text, value):
    assert parse(name, text) == value
    assert type(parse(name, text)) is type(value)


@pytest.mark.parametrize(("name", "text"), [("network_dim", "8.5"), ("shuffle_caption", "1"), ("seed", "")])
def test_a_text_that_means_no_value_is_refused(name, text):
    with pytest.raises(OptionError, match=f"field: {name} = {text}: .* is wanted"):
        parse(name, text, "field")


def test_every_option_has_help_and_a_group():
    assert all(spec.help and spec.group for spec in OPTIONS)
    assert option("network_dim").group == "network"


@pytest.mark.parametrize(
    ("text", "prompts"),
    [
        ("a red circle", ("a red circle",)),
        ("a red circle | 1girl, red hair", ("a red circle", "1girl, red hair")),
        ("'a red circle' \"it's\"", ("a red circle", "it's")),
        ("red |", ("red",)),
    ],
)
def test_prompts_are_typed_as_sentences(text, prompts):
    assert parse("original_prompt", text) == prompts
