from __future__ import annotations

import json
import os
import platform
from pathlib import Path

import pytest

from tests.faults.stand_in import StandInEngine
from tests.jobs.test_slots import on_path, put_nvidia_smi
from train_tools.model.paths import AttemptPaths
from train_tools.model.provenance import Gpu
from train_tools.runs.machine import gpu_of, machine_here, read_machine, write_machine

__all__ = ["on_path"]
SLOT = "GPU-11111111-aaaa-bbbb-cccc-000000000003"


@pytest.fixture
def attempt(run) -> AttemptPaths:
    paths = AttemptPaths.of(run.folder, 1)
    paths.folder.mkdir(parents=True)
    return paths


@pytest.fixture(autouse=True)
def asked_anew():
    gpu_of.cache_clear()
    yield
    gpu_of.cache_clear()


def test_a_machine_is_read_as_it_was_written(attempt):
    machine = machine_here("cpu", StandInEngine(0.0), Path("x"))
    write_machine(attempt, machine)
    assert read_machine(attempt) == machine
    assert (machine.slot, machine.gpu, machine.threads) == ("cpu", None, 1)
    assert (machine.processors, machine.architecture) == (os.cpu_count(), platform.machine())
    assert machine.made_with.packages["torch"]


def test_the_card_is_that_of_the_slot(attempt, on_path):
    put_nvidia_smi(on_path, f'[ "$1" = --id={SLOT} ] || exit 6\necho "NVIDIA H200 [x], 570.86.10, 143771"')
    assert gpu_of(SLOT) == Gpu(name="NVIDIA H200 [x]", driver="570.86.10", memory_mib=143771)
    assert gpu_of("GPU-other") is None
    machine = machine_here(SLOT, StandInEngine(0.0), Path("x"))
    write_machine(attempt, machine)
    assert read_machine(attempt) == machine
    assert read_machine(attempt).gpu == gpu_of(SLOT)


@pytest.mark.parametrize("script", ["exit 9", "echo No devices were found", "echo a, b, c", "exit 0"])
def test_a_card_that_does_not_answer_is_left_out(on_path, script):
    put_nvidia_smi(on_path, script)
    assert gpu_of(SLOT) is None


def test_without_a_driver_there_is_no_card(on_path):
    assert gpu_of(SLOT) is None


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1}', '{"format": 2}', '{"format": "x"}', "\xff"])
def test_what_can_not_be_read_is_no_machine(attempt, text):
    assert read_machine(attempt) is None
    attempt.machine.write_text(text, encoding="utf-8")
    assert read_machine(attempt) is None


def test_a_machine_file_says_its_format(attempt):
    write_machine(attempt, machine_here("cpu", StandInEngine(0.0), Path("x")))
    assert json.loads(attempt.machine.read_text())["format"] == 1
