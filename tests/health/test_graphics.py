from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.jobs.nvidia_smi import UUID
from tests.programs import python_program
from train_tools.health.graphics import MIB, devices, holders, nvidia_smi
from train_tools.model.device import DeviceKind

RTX = (UUID, "NVIDIA GeForce RTX 3090", 24576, 1000, "560.35", "8.6")
GTX = ("GPU-2", "NVIDIA GeForce GTX 1080 Ti", 11264, 0, "560.35", "6.1")


def test_cards_are_told_in_the_drivers_order_with_what_they_can(smi):
    smi.cards(RTX, GTX)
    rtx, gtx = devices()
    assert (rtx.kind, rtx.name, rtx.uuid, rtx.driver) == (DeviceKind.CUDA, RTX[1], UUID, "560.35")
    assert (rtx.memory_bytes, rtx.free_bytes) == (24576 * MIB, 23576 * MIB)
    assert (rtx.capability, rtx.bf16, rtx.fp16) == ((8, 6), True, True)
    assert (gtx.capability, gtx.bf16, gtx.fp16) == ((6, 1), False, True)


def test_an_old_driver_tells_its_cards_without_their_capability(smi):
    smi.cards(RTX, old=True)
    (card,) = devices()
    assert (card.name, card.capability, card.bf16) == (RTX[1], None, False)


def test_memory_that_the_driver_does_not_tell_is_nothing(smi):
    smi.cards((UUID, "NVIDIA GB10", "[N/A]", "[N/A]", "580.1", "12.1"))  # one memory for card and processor
    (card,) = devices()
    assert (card.memory_bytes, card.free_bytes, card.capability) == (0, 0, (12, 1))


def test_without_a_driver_there_is_the_processor(no_drivers):
    (device,) = devices()
    assert device.kind is DeviceKind.CPU
    assert 0 < device.free_bytes <= device.memory_bytes
    assert (device.bf16, device.fp16, device.driver) == (True, False, "")


def test_a_driver_that_fails_is_none(smi):
    assert {device.kind for device in devices()} == {DeviceKind.CPU}
    assert holders() == ()


def test_amd_cards_are_told_by_rocm_smi(no_drivers):
    said = {
        "card0": {
            "Card Series": "Radeon RX 7900 XTX",
            "VRAM Total Memory (B)": "25753026560",
            "VRAM Total Used Memory (B)": "27025408",
        },
        "system": {"Driver version": "6.7.0"},
    }
    program = no_drivers / "rocm-smi"
    program.write_text(python_program(f"print({json.dumps(json.dumps(said))})"))
    program.chmod(0o755)
    (card,) = devices()
    assert (card.kind, card.name, card.driver) == (DeviceKind.ROCM, "Radeon RX 7900 XTX", "6.7.0")
    assert card.free_bytes == 25753026560 - 27025408
    assert not card.bf16


def test_who_holds_memory_is_told_by_program_and_script_the_largest_first(smi, tmp_path):
    script = tmp_path / "web ui" / "launch.py"
    script.parent.mkdir()
    script.write_text("import sys; print(1, flush=True); sys.stdin.read()")
    with subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        smi.holders(
            (4_000_001, 300, UUID, "/usr/bin/Xorg, the desktop"),
            (process.pid, 9000, UUID, sys.executable),
            (process.pid, "[N/A]", "GPU-2", "C:\\games\\game.exe"),
            (os.getpid(), 12, UUID, "[Not Found]"),
        )
        found = [(holder.name, holder.memory_bytes) for holder in holders()]
    assert found == [
        (f"{Path(sys.executable).name} launch.py", 9000 * MIB),
        ("Xorg, the desktop", 300 * MIB),
        ("a process that can't be seen from here", 12 * MIB),
        ("game.exe", None),
    ]


def test_the_drivers_program_is_found_where_it_lies_beside_the_path(no_drivers, tmp_path, monkeypatch):
    assert nvidia_smi() is None
    windows = tmp_path / "Windows"
    (windows / "System32").mkdir(parents=True)
    place = windows / "System32" / "nvidia-smi.exe"
    place.touch()
    monkeypatch.setenv("SystemRoot", str(windows))
    monkeypatch.setattr("train_tools.health.graphics.PLACES", {"win32": ("$SystemRoot/System32/nvidia-smi.exe",)})
    assert nvidia_smi("win32") == str(place)
    assert nvidia_smi("darwin") is None


@pytest.mark.skipif(shutil.which("nvidia-smi") is None, reason="this machine has no NVIDIA driver")
def test_this_machines_own_cards_are_told():
    assert all(device.kind is DeviceKind.CUDA and device.capability for device in devices())
