"""What is told of a run before it begins. Nothing is loaded."""

import pytest

from lora_engine.prospects import refuse_unwritable_name, replaced_files
from sd_contract.errors import OptionError
from sd_contract.options import settings_from
from sd_contract.steps import plan_batches


def planned(**values):
    settings = settings_from({"output_name": "cat", **values})
    return settings, plan_batches(settings, batches_per_epoch=3)


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
