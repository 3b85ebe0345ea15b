from __future__ import annotations

import pytest

from sd_contract.errors import CheckpointError
from train_tools.errors import StorageError
from train_tools.model.paths import RunPaths
from train_tools.runs.checkpoints import checkpoints_of, is_trained, publish, publish_all


def names(run: RunPaths) -> list[str]:
    return [checkpoint.name for checkpoint in checkpoints_of(run)]


def test_a_published_checkpoint_is_the_trainers_file(run, tmp_path, write_lora):
    file = write_lora(tmp_path / "out" / "кот-v1-000002.safetensors", epoch=2, step=20)
    assert publish(file, run) == run.folder / file.name
    [found] = checkpoints_of(run)
    assert (found.name, found.epoch, found.step, found.final) == ("кот-v1-000002", 2, 20, False)
    assert (found.run, found.size_bytes) == (run.folder.name, file.stat().st_size)
    assert found.path.read_bytes() == file.read_bytes()


def test_publishing_twice_is_publishing_once(run, tmp_path, write_lora):
    file = write_lora(tmp_path / "out" / "cat.safetensors")
    publish(file, run)
    publish(file, run)
    assert [entry.name for entry in run.folder.iterdir()] == ["cat.safetensors"]


def test_a_newer_attempts_file_takes_the_place_of_an_older_one(run, tmp_path, write_lora):
    publish(write_lora(tmp_path / "1" / "cat.safetensors", step=1), run)
    publish(write_lora(tmp_path / "2" / "cat.safetensors", step=2), run)
    assert [checkpoint.step for checkpoint in checkpoints_of(run)] == [2]
    assert [entry.name for entry in run.folder.iterdir()] == ["cat.safetensors"]


@pytest.mark.parametrize("cut", [1, 200, -8])
def test_a_file_that_is_not_whole_is_not_published(run, tmp_path, write_lora, cut):
    file = write_lora(tmp_path / "out" / "cat.safetensors")
    content = file.read_bytes()
    file.write_bytes(content[:-cut] if cut > 0 else content + bytes(-cut))
    with pytest.raises(CheckpointError, match=r"cat\.safetensors"):
        publish(file, run)
    assert list(run.folder.iterdir()) == []


def test_all_whole_files_are_published_and_the_others_told(run, tmp_path, write_lora):
    for name in ("a", "b", "c"):
        write_lora(tmp_path / "out" / f"{name}.safetensors")
    (tmp_path / "out" / "b.safetensors").write_bytes(b"")
    [problem] = publish_all(tmp_path / "out", run)
    assert "b.safetensors" in problem
    assert names(run) == ["a", "c"]


def test_a_run_folder_that_is_gone_is_told(version, tmp_path, write_lora):
    with pytest.raises(StorageError, match=r"Could not write cat\.safetensors"):
        publish(write_lora(tmp_path / "cat.safetensors"), version.run("gone"))


def test_checkpoints_come_in_the_order_of_training_with_the_final_one_last(run, write_lora):
    for name, step in (("cat-000010", 100), ("cat-000009", 90), ("cat", 110), ("cat-step00000095", 95)):
        write_lora(run.folder / f"{name}.safetensors", step=step)
    assert names(run) == ["cat-000009", "cat-step00000095", "cat-000010", "cat"]
    assert [checkpoint.final for checkpoint in checkpoints_of(run)] == [False, False, False, True]


def test_broken_files_and_other_files_are_left_out(run, write_lora):
    write_lora(run.folder / "cat.safetensors", epoch="many", step="-1")
    (run.folder / "torn.safetensors").write_bytes(b"\x10")
    (run.folder / "folder.safetensors").mkdir()
    (run.folder / "run.toml").write_text("")
    [found] = checkpoints_of(run)
    assert (found.name, found.epoch, found.step) == ("cat", 0, 0)


@pytest.mark.parametrize("output_name", ["cat-240131", "кот-000001", "cat-step00000001"])
def test_a_final_checkpoint_whose_name_looks_numbered_is_final(run, write_lora, output_name):
    write_lora(run.folder / f"{output_name}-000001.safetensors", step=1, output_name=output_name)
    write_lora(run.folder / f"{output_name}.safetensors", step=2, output_name=output_name)
    assert [checkpoint.final for checkpoint in checkpoints_of(run)] == [False, True]


def test_a_run_is_trained_when_its_final_checkpoint_is_there(run, write_lora):
    assert not is_trained(run)
    write_lora(run.folder / "cat-000001.safetensors", output_name="cat")
    assert not is_trained(run)
    write_lora(run.folder / "cat.safetensors", output_name="cat")
    assert is_trained(run)
