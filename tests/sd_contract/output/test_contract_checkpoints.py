import pytest

from sd_contract.options import settings_from
from sd_contract.output.checkpoints import CheckpointName, SaveSchedule
from sd_contract.steps import plan_batches


def test_files_are_named_as_sd_scripts_names_them():
    name = CheckpointName("run1")

    assert name.at_epoch(1) == "run1-000001.safetensors"
    assert name.at_step(2) == "run1-step00000002.safetensors"
    assert name.at_end() == "run1.safetensors"


def test_without_a_name_there_are_sd_scripts_own():
    name = CheckpointName(None)

    assert [name.at_epoch(1), name.at_step(2), name.at_end()] == [
        "epoch-000001.safetensors",
        "at-step00000002.safetensors",
        "last.safetensors",
    ]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"max_train_steps": 5}, ["x"]),
        ({"max_train_epochs": 3, "save_every_n_epochs": 1}, ["x-000001", "x-000002", "x"]),
        ({"max_train_epochs": 2, "save_every_n_steps": 3}, ["x-step00000003", "x-step00000006", "x"]),
        ({"max_train_epochs": 4, "save_n_epoch_ratio": 2, "save_every_n_epochs": 1}, ["x-000002", "x"]),
        ({"max_train_epochs": 2, "save_every_n_epochs": 5, "save_every_n_steps": 7}, ["x"]),
    ],
)
def test_all_files_of_a_run_are_known_beforehand(options, names):
    settings = settings_from(options)
    schedule = SaveSchedule(settings.output, plan_batches(settings, batches_per_epoch=3))

    assert schedule.file_names(CheckpointName("x")) == [f"{name}.safetensors" for name in names]
    assert schedule.files_at_end == len(names)
