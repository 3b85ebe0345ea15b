"""What is told of a run before it begins. Nothing is loaded."""

import pytest

from lora_engine.prospects import idle_options, refuse_unwritable_name, replaced_files
from sd_contract.errors import OptionError
from sd_contract.options import settings_from
from sd_contract.steps import plan_batches


def planned(**values):
    settings = settings_from({"output_name": "cat", **values})
    return settings, plan_batches(settings, batches_per_epoch=3)


def idle(**values):
    return list(idle_options(*planned(max_train_epochs=2, **values)))


@pytest.mark.parametrize("name", ["x" * 250, "a\0b", "日" * 80])
def test_a_name_that_the_disk_does_not_take_is_told_before_the_first_save(tmp_path, name):
    with pytest.raises(OptionError) as caught:
        refuse_unwritable_name(tmp_path, settings_from({"output_name": name}))
    assert str(caught.value).startswith(f"output_name = {name!r}: a file of that name can't be written to")
    assert str(caught.value).endswith("Choose another.")


def test_a_name_that_the_disk_takes_leaves_nothing_behind(tmp_path, awkward_name):
    refuse_unwritable_name(tmp_path, settings_from({"output_name": awkward_name}))
    assert list(tmp_path.iterdir()) == []


def test_files_that_a_run_would_replace_are_told(tmp_path):
    settings, plan = planned(max_train_epochs=3, save_every_n_epochs=1, save_every_n_steps=4)
    assert list(replaced_files(tmp_path, settings, plan)) == []

    files = ("cat-000001", "cat-000003", "cat-step00000004", "cat-step00000005", "cat", "dog")
    for name in files:
        (tmp_path / f"{name}.safetensors").touch()
    (told,) = replaced_files(tmp_path, settings, plan)
    assert told == (
        f"3 files in {tmp_path} will be replaced: cat-000001.safetensors, cat-step00000004.safetensors, "
        "cat.safetensors. Choose another output_name or output_dir to keep them."
    )


def test_files_that_the_run_itself_has_left_are_its_own(tmp_path):
    settings, plan = planned(max_train_epochs=3, save_every_n_epochs=1)
    (tmp_path / "cat-000001.safetensors").touch()
    assert list(replaced_files(tmp_path, settings, plan, own=("cat-000001.safetensors",))) == []


def test_options_at_their_defaults_are_never_idle():
    assert list(idle_options(*planned())) == []
    assert list(idle_options(*planned(max_train_epochs=1))) == []


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"save_every_n_steps": 7}, "save_every_n_steps = 7 never comes: the run has 6 steps"),
        ({"save_every_n_epochs": 3}, "save_every_n_epochs = 3 never comes: the run has 2 epochs"),
        (
            {"sample_every_n_steps": 9, "sample_prompts": "p.txt"},
            "sample_every_n_steps = 9 never comes: the run has 6 steps",
        ),
        (
            {"sample_every_n_epochs": 4, "sample_prompts": "p.txt"},
            "sample_every_n_epochs = 4 never comes: the run has 2 epochs",
        ),
        (
            {"state_every_n_steps": 8, "state_dir": "s"},
            "state_every_n_steps = 8 never comes: the run has 6 steps",
        ),
        ({"max_train_steps": 500}, "max_train_steps = 500 has no effect beside max_train_epochs = 2"),
        (
            {"save_every_n_epochs": 1, "save_n_epoch_ratio": 2},
            "save_every_n_epochs = 1 has no effect beside save_n_epoch_ratio = 2",
        ),
        (
            {"text_encoder_lr": [1e-5, 1e-6], "network_train_unet_only": True},
            "text_encoder_lr = 1e-05 1e-06 has no effect beside network_train_unet_only = true",
        ),
        (
            {"unet_lr": 1e-5, "network_train_text_encoder_only": True},
            "unet_lr = 1e-05 has no effect beside network_train_text_encoder_only = true",
        ),
        ({"save_last_n_steps_state": 1}, "save_last_n_steps_state = 1 has no effect without save_state"),
        ({"save_last_n_epochs_state": 1}, "save_last_n_epochs_state = 1 has no effect without save_state"),
        ({"state_every_n_steps": 2}, "state_every_n_steps = 2 has no effect without state_dir"),
        (
            {"noise_offset_random_strength": True},
            "noise_offset_random_strength = true has no effect without noise_offset",
        ),
        ({"multires_noise_discount": 0.5}, "multires_noise_discount = 0.5 has no effect without multires_noise"),
    ],
)
def test_an_option_that_changes_nothing_is_told(values, told):
    (warning,) = idle(**values)
    assert warning.startswith(told)


@pytest.mark.parametrize(
    "values",
    [
        {"save_every_n_steps": 6, "save_every_n_epochs": 2},
        {"save_last_n_epochs_state": 1, "save_state": True},
        {"state_every_n_steps": 2, "state_dir": "s"},
        {"text_encoder_lr": [1e-5], "unet_lr": 1e-4},
    ],
)
def test_an_option_that_changes_something_is_not_told(values):
    assert idle(**values) == []
