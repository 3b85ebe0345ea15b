from sd_contract.checkpoints import CheckpointName


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
