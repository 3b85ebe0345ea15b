from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.programs import python_program
from train_tools.health.cards import card_findings
from train_tools.health.graphics import devices, processor
from train_tools.health.webui import Running
from train_tools.model.device import Device, DeviceKind, Holder
from train_tools.model.finding import Finding, Level

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="stand-ins are started by sh")
GB = 10**9
CARD = Device(
    kind=DeviceKind.CUDA,
    name="RTX 3090",
    uuid="GPU-1",
    memory_bytes=24 * GB,
    free_bytes=23 * GB,
    driver="560.35",
    capability=(8, 6),
)


@pytest.fixture(autouse=True)
def _driver(smi) -> None:
    """nvidia-smi is on PATH."""


def findings(*cards: Device, holders=(), webuis=(), working=False) -> dict[str, Finding]:
    return {finding.check: finding for finding in card_findings(cards, holders, webuis, working=working)}


def card(used_gb: int, **other) -> Device:
    return Device(**{**CARD.__dict__, "free_bytes": (24 - used_gb) * GB, **other})


def test_a_card_that_is_free_is_well():
    found = findings(CARD)
    assert {finding.level for finding in found.values()} == {Level.OK}
    assert "RTX 3090, 24.0 GB, driver 560.35, compute capability 8.6: bf16 and fp16." in found["card"].message
    assert "23.0 of 24.0 GB" in found["memory of the card"].message


@pytest.mark.parametrize(("capability", "words"), [((7, 5), "fp16, no bf16"), (None, "bf16 not known")])
def test_what_a_card_calculates_with_is_told(capability, words):
    assert words in findings(card(0, capability=capability))["card"].message


def test_who_holds_memory_is_named_with_how_much():
    holders = (
        Holder(pid=7, name="python game.py", memory_bytes=9 * GB, card="GPU-1"),
        Holder(pid=8, name="Xorg", memory_bytes=None, card="GPU-1"),
        Holder(pid=9, name="elsewhere", memory_bytes=GB, card="GPU-2"),
    )
    found = findings(card(9), holders=holders)["memory of the card"]
    assert found.level is Level.WARNING
    assert "python game.py (process 7): 9.0 GB" in found.message
    assert "Xorg (process 8): an amount that the driver does not tell" in found.message
    assert "elsewhere" not in found.message
    assert "Close what is not needed" in found.cure


def test_a_webui_is_to_unload_its_model():
    holders = (Holder(pid=7, name="python launch.py", memory_bytes=None, card="GPU-1"),)
    webuis = (Running(pid=7, folder=Path("webui"), options=()),)
    found = findings(card(1), holders=holders, webuis=webuis)["memory of the card"]
    assert (found.level, "Unload the model of the WebUI" in found.cure) == (Level.WARNING, True)


def test_memory_that_our_own_jobs_hold_is_no_surprise():
    found = findings(card(20), working=True)["memory of the card"]
    assert (found.level, "Jobs of this queue" in found.message) == (Level.OK, True)


def test_a_desktop_may_have_its_share():
    assert findings(card(1))["memory of the card"].level is Level.OK


def test_a_driver_that_shows_no_card_is_told_with_its_words(smi):
    found = findings(*devices())["driver"]
    assert found.level is Level.STOP
    assert "couldn't communicate with the NVIDIA driver" in found.message


def test_a_driver_whose_program_is_not_on_the_path_is_told(no_drivers, tmp_path, monkeypatch):
    place = tmp_path / "nvidia-smi.exe"
    place.touch()
    monkeypatch.setattr("train_tools.health.graphics.PLACES", {sys.platform: (str(place),)})
    found = findings(CARD)["driver"]
    assert (found.level, str(place) in found.message) == (Level.STOP, True)


def test_a_machine_without_a_card_is_told_what_that_means(no_drivers):
    found = findings(processor())
    assert list(found) == ["card"]
    assert (found["card"].level, "processor" in found["card"].message) == (Level.WARNING, True)


def test_cards_that_the_queue_does_not_use_are_told(no_drivers):
    amd = Device(kind=DeviceKind.ROCM, name="Radeon", memory_bytes=16 * GB, free_bytes=16 * GB)
    found = findings(amd)["card"]
    assert (found.level, "the queue does not use it" in found.message) == (Level.WARNING, True)


def test_a_driver_that_hangs_is_told(no_drivers, monkeypatch):
    program = no_drivers / "nvidia-smi"
    program.write_text(python_program("import time; time.sleep(600)"))
    program.chmod(0o755)
    monkeypatch.setattr("train_tools.health.cards.answer_of", lambda command: answered_at_once(command))
    assert "did not answer within" in findings(processor())["driver"].message


def answered_at_once(command):
    from train_tools.health.answers import answer_of

    return answer_of(command, timeout_s=0.5)
