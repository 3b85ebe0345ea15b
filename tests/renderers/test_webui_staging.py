"""Files in a WebUI's LoRA folder, for as long as they are rendered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.small_disk import SmallDisk
from tests.renderers.scene import write_lora
from train_tools.errors import NotNowError, StorageError
from train_tools.renderers.webui_http.staging import Staging


@pytest.fixture
def lora(tmp_path: Path) -> Path:
    return write_lora(tmp_path / "zorb v1.5, (кот).safetensors")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """The LoRA folder on a disk of its own: no hard link leads there."""
    disk = SmallDisk(tmp_path / "Lora")
    if not disk.mounted:
        pytest.skip("this system lends no small disk")
    yield disk
    disk.unmount()


def opened(folder: Path, tmp_path: Path) -> Staging:
    staging = Staging(folder, tmp_path / "leases")
    staging.open()
    return staging


def test_names_are_plain_and_never_the_same(tmp_path, lora):
    (tmp_path / "Lora").mkdir()
    staging = opened(tmp_path / "Lora", tmp_path)
    staged = [staging.stage(lora, "ABCDEF0123456789") for _ in range(2)]
    assert len({each.name for each in staged}) == 2
    assert all(each.name.replace("-", "").isalnum() and each.name.isascii() for each in staged)
    assert all(each.file.samefile(lora) for each in staged)
    staging.close()
    assert lora.is_file() and not list((tmp_path / "Lora").iterdir())


def test_another_disk_gets_a_copy(tmp_path, lora, disk):
    staging = opened(disk.folder, tmp_path)
    staged = staging.stage(lora, "abc")
    assert staged.file.read_bytes() == lora.read_bytes() and not staged.file.samefile(lora)
    staging.close()
    assert not list(disk.folder.iterdir())


def test_a_full_disk_is_told_and_keeps_no_half_file(tmp_path, lora, disk):
    staging = opened(disk.folder, tmp_path)
    disk.fill()
    with pytest.raises(NotNowError, match="The disk is full"):
        staging.stage(lora, "abc")
    assert not list(staging.folder.iterdir())
    staging.close()
    assert [file.name for file in disk.folder.iterdir()] == ["ballast"]


def test_two_sessions_leave_each_other_alone(tmp_path, lora):
    (tmp_path / "Lora").mkdir()
    one = opened(tmp_path / "Lora", tmp_path)
    staged = one.stage(lora, "abc")
    other = opened(tmp_path / "Lora", tmp_path)
    other.close()
    assert staged.file.is_file()
    one.close()


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(StorageError, match=r"share that folder.*webui\.lora_folder=DIR"):
        Staging(tmp_path / "gone", tmp_path / "leases").open()
