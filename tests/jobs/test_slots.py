from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.jobs.nvidia_smi import NvidiaSmi
from train_tools.errors import OptionValueError
from train_tools.jobs.lease import Lease
from train_tools.jobs.slots import LIGHT_SLOTS, Slot, slots_of_this_machine

TWO_GPUS = """GPU 0: NVIDIA H200 (UUID: GPU-11111111-aaaa-bbbb-cccc-000000000001)
  MIG 1g.18gb Device 0: (UUID: MIG-22222222-aaaa-bbbb-cccc-000000000002)
GPU 1: NVIDIA H200 (UUID: GPU-11111111-aaaa-bbbb-cccc-000000000003)
"""


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def put_nvidia_smi(folder: Path, script: str) -> None:
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_a_machine_without_gpus_has_one_slot(on_path):
    assert slots_of_this_machine() == (Slot("cpu"),)
    assert Slot("cpu").environment == {"CUDA_VISIBLE_DEVICES": ""}


def test_each_gpu_is_a_slot_by_its_uuid(on_path):
    put_nvidia_smi(
        on_path, f'[ "$1" = -L ] || exit 2\nwhile read line; do echo "$line"; done <<\'E\'\n{TWO_GPUS}E'
    )
    slots = slots_of_this_machine()
    assert [slot.name[-1] for slot in slots] == ["1", "3"]
    assert slots[1].environment == {
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": "GPU-11111111-aaaa-bbbb-cccc-000000000003",
    }


@pytest.mark.parametrize(
    "script", ['echo "NVIDIA-SMI has failed because it couldn\'t communicate with the driver"; exit 9', "exit 0"]
)
def test_a_broken_driver_leaves_the_cpu(on_path, script):
    put_nvidia_smi(on_path, script)
    assert slots_of_this_machine() == (Slot("cpu"),)


def test_a_listing_program_that_can_not_be_run_leaves_the_cpu(on_path):
    put_nvidia_smi(on_path, "")
    (on_path / "nvidia-smi").write_bytes(b"\x7fELF not a program")
    assert shutil.which("nvidia-smi")
    assert slots_of_this_machine() == (Slot("cpu"),)


def test_a_slot_is_taken_by_one_job_and_the_others_are_free(tmp_path, keep):
    first, second = Slot("GPU-1"), Slot("GPU-2")
    taken = keep(first.take(tmp_path / "1.lock"))
    assert first.busy()
    assert first.take(tmp_path / "2.lock") is None
    assert not second.busy()
    keep(second.take(tmp_path / "2.lock"))
    taken.release()
    assert not first.busy()


def test_a_slot_is_busy_as_long_as_the_job_of_a_dead_supervisor_lives(tmp_path, keep):
    slot, job = Slot("cpu"), tmp_path / "job.lock"
    trainer = keep(Lease.take(job))
    keep(slot.take(job)).release()
    assert slot.busy()
    assert slot.take(tmp_path / "other.lock") is None
    trainer.release()
    assert not slot.busy()
    keep(slot.take(tmp_path / "other.lock"))


def test_a_job_takes_a_slot_again_that_it_had_itself(tmp_path, keep):
    job = tmp_path / "job.lock"
    keep(Lease.take(job))
    keep(Slot("cpu").take(job)).release()
    keep(Slot("cpu").take(job))


def test_looking_at_a_slot_does_not_take_it(tmp_path, keep):
    slot = Slot("cpu")
    assert not slot.busy()
    assert not slot.busy()
    keep(slot.take(tmp_path / "job.lock"))


def test_slots_of_all_outputs_folders_are_the_same_files(state):
    assert Slot("cpu").path.is_relative_to(state)
    assert os.fspath(Slot("cpu").path) != os.fspath(Slot("GPU-1").path)


GPU_1, GPU_3 = (f"GPU-11111111-aaaa-bbbb-cccc-00000000000{n}" for n in (1, 3))


@pytest.fixture
def two_gpus(on_path: Path) -> None:
    NvidiaSmi(on_path).list(GPU_1, GPU_3)


@pytest.mark.parametrize(
    ("chosen", "used"),
    [
        ("", [GPU_1, GPU_3]),
        (GPU_3, [GPU_3]),
        (f" {GPU_3} , {GPU_1},", [GPU_1, GPU_3]),
        ("gpu-11111111-AAAA-bbbb-cccc-000000000003", [GPU_3]),
        ("GPU-1111", [GPU_1, GPU_3]),
        ("none", ["cpu"]),
    ],
)
def test_gpus_can_be_left_out(two_gpus, chosen, used):
    assert [slot.name for slot in slots_of_this_machine({"TRAIN_TOOLS_GPUS": chosen})] == used


def test_a_gpu_that_is_not_there_is_told_with_those_that_are(two_gpus):
    with pytest.raises(OptionValueError, match=f"names 'GPU-9', and this machine has {GPU_1}, {GPU_3}"):
        slots_of_this_machine({"TRAIN_TOOLS_GPUS": f"{GPU_1},GPU-9"})


def test_a_gpu_that_is_asked_for_without_a_driver_is_told(on_path):
    with pytest.raises(OptionValueError, match="this machine has no GPU"):
        slots_of_this_machine({"TRAIN_TOOLS_GPUS": "GPU-1"})


def test_the_cpu_can_have_several_slots(on_path):
    slots = slots_of_this_machine({"TRAIN_TOOLS_CPU_SLOTS": "3"})
    assert [slot.name for slot in slots] == ["cpu", "cpu-2", "cpu-3"]
    assert {slot.environment["CUDA_VISIBLE_DEVICES"] for slot in slots} == {""}
    assert len({slot.path for slot in slots}) == 3


@pytest.mark.parametrize("number", ["0", "-1", "x", "65", ""])
def test_a_number_of_cpu_slots_that_can_not_be_is_told(on_path, number):
    with pytest.raises(OptionValueError, match=r"from 1 to 64"):
        slots_of_this_machine({"TRAIN_TOOLS_CPU_SLOTS": number})


def test_light_slots_are_no_gpus():
    assert [(slot.is_gpu, slot.is_light) for slot in LIGHT_SLOTS] == [(False, True)] * 2
    assert [Slot(name).is_light for name in ("cpu", "cpu-2", GPU_1)] == [False] * 3
    assert LIGHT_SLOTS[0].environment == {"CUDA_VISIBLE_DEVICES": ""}
