import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.jobs.nvidia_smi import NvidiaSmi
from train_tools.machine.load import Loads
from train_tools.model.machine import CardLoad, Share

MIB = 2**20


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NvidiaSmi:
    folder = tmp_path / "bin"
    monkeypatch.setenv("PATH", str(folder))
    return NvidiaSmi(folder)


def test_each_card_is_told_and_what_it_does_not_tell_is_none(driver: NvidiaSmi, tmp_path: Path) -> None:
    (driver.folder / "load").write_text("NVIDIA A, 97, 8192, 24576, 71\nOld one, [N/A], 10, 2048, [N/A]\n")
    new, old = Loads(tmp_path).now().cards
    memory = Share(used_bytes=8192 * MIB, total_bytes=24576 * MIB)
    assert new == CardLoad(name="NVIDIA A", busy=0.97, memory=memory, degrees_c=71)
    assert (old.busy, old.degrees_c, old.memory.used_bytes) == (None, None, 10 * MIB)


def test_the_driver_is_not_asked_again_at_once(driver: NvidiaSmi, tmp_path: Path) -> None:
    (driver.folder / "load").write_text("NVIDIA A, 1, 1, 2, 40\n")
    loads = Loads(tmp_path)
    assert [len(loads.now().cards) for _ in range(5)] == [1] * 5
    assert (driver.folder / "answered").read_text().count("utilization") == 1


@pytest.mark.parametrize("answer", [None, "", "Unable to determine the device handle for GPU0\n"])
def test_a_driver_that_does_not_answer_has_no_cards(driver: NvidiaSmi, tmp_path: Path, answer: str | None) -> None:
    if answer is not None:
        (driver.folder / "load").write_text(answer)
    assert Loads(tmp_path).now().cards == ()


def test_memory_disk_and_processors_are_told_of_a_folder_still_to_be_made(tmp_path: Path) -> None:
    load = Loads(tmp_path / "not" / "yet").now()
    assert 0 < load.memory.used_bytes < load.memory.total_bytes
    assert 0 < load.disk.used_bytes <= load.disk.total_bytes
    assert 0 <= load.processors <= 1


def test_processors_at_work_are_told_to_a_thread_that_asks_for_the_first_time(tmp_path: Path) -> None:
    loads = Loads(tmp_path)
    until = time.process_time() + 0.5
    while time.process_time() < until:
        pass
    with ThreadPoolExecutor(1) as other:
        assert other.submit(loads.now).result().processors > 0
