"""Classes that options may name: known ones, and others only where the command line itself allows them."""

import pytest

from sd_contract.errors import OptionError
from sd_contract.options import read_settings, settings_from
from train_tools.errors import OptionValueError
from train_tools.options.bundled import bundled_options


@pytest.mark.parametrize("name", ["optimizer_type", "lr_scheduler_type"])
def test_a_class_is_taken_only_where_the_command_line_allows_it(name, tmp_path):
    config = tmp_path / "copied.toml"
    config.write_text(f'{name} = "my_package.Mine"\n')
    words = ["--config_file", str(config)]

    with pytest.raises(OptionError, match=r"my_package\.Mine names code .* --allow_code my_package\.Mine"):
        read_settings(words)
    with pytest.raises(OptionError, match="names code"):
        read_settings([*words, "--allow_code", "my_package.Other"])
    assert read_settings([*words, "--allow_code", "my_package.Mine"]).get(name) == "my_package.Mine"


def test_a_config_file_can_not_allow_code(tmp_path):
    config = tmp_path / "copied.toml"
    config.write_text('optimizer_type = "a.B"\nallow_code = ["a.B"]\n')

    with pytest.raises(OptionError, match="'allow_code' has a meaning only on the trainer's command line"):
        read_settings(["--config_file", str(config)])


@pytest.mark.parametrize("value", ["a.B", "os.system", "torch.optim.Evil"])
@pytest.mark.parametrize("name", ["optimizer_type", "lr_scheduler_type"])
def test_the_app_takes_known_names_only(name, value):
    with pytest.raises(OptionValueError, match=r"can't be used\. Allowed"):
        bundled_options().checked_value(name, value)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("pytorch_optimizer.CAME", "CAME"),
        ("prodigyplus.ProdigyPlusScheduleFree", "ProdigyPlusScheduleFree"),
        ("schedulefree.AdamWScheduleFree", "AdamWScheduleFree"),
        ("bitsandbytes.optim.AdEMAMix8bit", "AdEMAMix8bit"),
        ("torch.optim.adamw", "AdamW"),
        ("pagedadamw8BIT", "PagedAdamW8bit"),
    ],
)
def test_a_known_class_may_be_written_with_its_package(written, meant):
    assert settings_from({"optimizer_type": written}).optimizer.optimizer == meant
    assert bundled_options().checked_value("optimizer_type", written) == meant


@pytest.mark.parametrize("value", ["Wizardry", "a b.C", "a..B", ".B", "1.5"])
def test_what_is_no_name_of_a_class_is_no_value(value):
    with pytest.raises(OptionError, match="can't be used"):
        settings_from({"optimizer_type": value})
