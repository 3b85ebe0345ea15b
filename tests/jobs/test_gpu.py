from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.jobs.nvidia_smi import UUID, NvidiaSmi
from train_tools.jobs.gpu import FREEING_S, GpuMemory, GpuUse, gpus, use_of


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NvidiaSmi:
    made = NvidiaSmi(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{made.folder}{os.pathsep}{os.environ['PATH']}")
    return made


class Time:
    """Goes on only when somebody sleeps; the driver may free memory meanwhile."""

    def __init__(self, smi: NvidiaSmi, freed_after: float = float("inf")) -> None:
        self.now = 0.0
        self._smi = smi
        self._freed_after = freed_after

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += 2.0
        if self.now >= self._freed_after:
            self._smi.used(510)


def memory_before(smi: NvidiaSmi, used: int | str = 500) -> GpuMemory:
    """As it is while nothing of ours runs, and a desktop does."""
    smi.used(used)
    smi.held((77, 400, "/usr/bin/Xorg"))
    memory = GpuMemory(UUID)
    memory._used_before.answer(), memory._held_before.answer()
    return memory


def test_memory_that_is_free_again_is_no_news(smi):
    memory = memory_before(smi)
    smi.used(540)
    assert memory.left_behind() == ""
    assert smi.answered()[-1] == f"--id={UUID} --query-gpu=memory.used --format=csv,noheader,nounits"


def test_memory_that_the_driver_frees_a_little_later_is_waited_for(smi):
    memory = memory_before(smi)
    smi.used(9000)
    time = Time(smi, freed_after=4.0)
    assert memory.left_behind(time, time.sleep) == ""
    assert time.now == 4.0


def test_memory_that_stays_in_use_is_told_with_who_has_it(smi):
    memory = memory_before(smi)
    smi.used(9000)
    smi.held((77, 400, "/usr/bin/Xorg"), (4242, 8450, "python, of another"), (4243, "[N/A]", "renderer"))
    time = Time(smi)
    told = memory.left_behind(time, time.sleep)
    assert told.startswith("8,500 MB of GPU memory more than before it started are still in use, by process 4242")
    assert "process 4243 (renderer)" in told
    assert "Xorg" not in told
    assert time.now >= FREEING_S


def test_memory_that_nobody_owns_up_to_is_told_as_well(smi):
    memory = memory_before(smi)
    smi.used(9000)
    time = Time(smi)
    assert "by a process that can't be seen from here" in memory.left_behind(time, time.sleep)


@pytest.mark.parametrize("said", ["[N/A]", "", "Failed to initialize NVML: Unknown Error"])
def test_a_driver_that_does_not_say_is_believed_to_have_freed_it(smi, said):
    memory = memory_before(smi, used=said)
    smi.used(9000)
    assert memory.left_behind() == ""


def test_a_driver_that_fails_later_is_believed_too(smi):
    memory = memory_before(smi)
    (smi.folder / "used").unlink()
    assert memory.left_behind() == ""


def test_a_machine_without_a_driver_has_no_gpus_and_no_memory_of_theirs(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpus() == ()
    assert GpuMemory(UUID).left_behind() == ""


def test_a_gpus_memory_is_told_in_bytes(smi):
    smi.use(24564, 1200)
    use = use_of(UUID)
    assert use == GpuUse(total_bytes=24564 * 2**20, used_bytes=1200 * 2**20)
    assert use.free_bytes == (24564 - 1200) * 2**20
    assert smi.answered()[-1].startswith(f"--id={UUID} --query-gpu=memory.total,memory.used ")


@pytest.mark.parametrize("answer", [("[N/A]", "[N/A]"), ("24564", ""), ("0", "0"), ("", "")])
def test_a_driver_that_keeps_its_memory_to_itself_says_nothing(smi, answer):
    smi.use(*answer)
    assert use_of(UUID) is None


def test_without_a_driver_no_memory_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert use_of(UUID) is None
