from __future__ import annotations

import sys

import pytest

from tests.health.environments import CUDA_126, MEND, StandIn, without_packages
from train_tools.health.graphics import processor
from train_tools.health.packages import Environment, package_findings, supports
from train_tools.model.device import Device, DeviceKind
from train_tools.model.finding import Finding, Level
from train_tools.runs.provenance import installed_packages

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="stand-ins are started by sh")
RTX_3090 = Device(kind=DeviceKind.CUDA, name="RTX 3090", driver="560.35", capability=(8, 6))
RTX_5090 = Device(kind=DeviceKind.CUDA, name="RTX 5090", driver="575.51", capability=(12, 0))


@pytest.fixture
def python(tmp_path) -> StandIn:
    made = StandIn(tmp_path / "its venv")
    made.says("torch", CUDA_126)
    return made


def findings(environment: Environment, *devices: Device, try_cards: bool = False, time_limit_s: float = 60.0):
    found = package_findings(environment, devices, try_cards=try_cards, time_limit_s=time_limit_s)
    return {finding.check: finding for finding in found}


def stopped(finding: Finding, *words: str) -> None:
    assert finding.level is Level.STOP
    assert all(word in finding.message for word in words), finding.message
    assert MEND in finding.cure


@pytest.mark.parametrize(
    ("architectures", "capability", "runs"),
    [
        (("sm_80",), (8, 0), True),
        (("sm_80",), (8, 6), True),
        (("sm_86",), (8, 0), False),
        (("sm_80",), (9, 0), False),
        (("sm_75", "compute_80"), (9, 0), True),
        (("compute_90",), (8, 9), False),
        (("sm_90a",), (9, 0), True),
        (("sm_100a",), (10, 3), False),
        (("sm_100f",), (10, 3), True),
        (("sm_90", "sm_100"), (12, 0), False),
        (("sm_120",), (12, 1), True),
        (("gfx1100",), (8, 6), False),
    ],
)
def test_a_build_runs_on_cards_of_its_generation_and_its_intermediate_form_on_newer_ones(
    architectures, capability, runs
):
    assert supports(architectures, capability) is runs


def test_a_build_that_fits_is_well(python):
    torch = findings(python.environment(), RTX_3090)["torch"]
    assert (torch.level, torch.cure) == (Level.OK, "")
    assert "made for CUDA 12.6: it fits the card" in torch.message
    assert python.asked() == ["torch"]


def test_a_card_newer_than_the_build_is_named_with_what_the_build_knows(python):
    torch = findings(python.environment(), RTX_3090, RTX_5090)["torch"]
    stopped(torch, "RTX 5090 (sm_120)", "sm_50, sm_60")
    assert "3090" not in torch.message


def test_a_driver_older_than_the_build_wants_is_told_with_both_numbers(python):
    python.says("torch", {**CUDA_126, "cuda": "13.0"})
    torch = findings(python.environment(), RTX_3090)["torch"]
    stopped(torch, "needs a driver from 580 on", "560.35")
    assert "newer driver" in torch.cure


def test_a_build_for_processors_beside_a_card_is_told(python):
    python.says("torch", {**CUDA_126, "cuda": None, "architectures": []})
    stopped(findings(python.environment(), RTX_3090)["torch"], "made for processors alone", "RTX 3090")


def test_what_is_not_installed_is_told_and_not_asked_for(tmp_path):
    environment = Environment(trainer="bundled", python=sys.executable, packages={"safetensors": "1"}, mend=MEND)
    found = findings(environment, processor())
    stopped(found["packages"], "torch, accelerate, transformers")
    assert "torch" not in found


def test_a_package_that_can_not_be_imported_is_told_with_its_words(tmp_path):
    stopped(
        findings(without_packages(tmp_path / "bare"), RTX_3090)["torch"], "ModuleNotFoundError", "No module named"
    )


def test_a_package_that_crashes_its_process_is_told(python):
    python.does("torch", "import os, sys; print('CUDA Setup', file=sys.stderr, flush=True); os.abort()")
    stopped(findings(python.environment(), RTX_3090)["torch"], "CUDA Setup")


def test_a_package_that_hangs_is_ended(python):
    python.does("torch", "import time; time.sleep(600)")
    found = findings(python.environment(), RTX_3090, time_limit_s=1.0)
    stopped(found["torch"], "did not answer within 1 s")


def test_an_interpreter_that_is_gone_is_told(tmp_path):
    environment = Environment(trainer="kohya", python=str(tmp_path / "gone"), packages={"torch": "2"}, mend=MEND)
    stopped(findings(environment, RTX_3090)["torch"], "could not be started")


def test_8_bit_optimizers_are_missed_only_where_there_is_a_card(python):
    missing = findings(python.environment(), RTX_3090)["bitsandbytes"]
    assert (missing.level, "optimizer_type=AdamW" in missing.cure) == (Level.WARNING, True)
    assert findings(python.environment(), processor())["bitsandbytes"].level is Level.OK


@pytest.mark.parametrize("name", ["bitsandbytes", "xformers"])
def test_what_is_only_needed_by_some_trainings_is_a_warning_when_it_is_broken(python, name):
    python.says(name, {"problem": "RuntimeError: CUDA Setup failed"})
    broken = findings(python.environment(**{name: "0.1"}), RTX_3090)[name]
    assert broken.level is Level.WARNING
    assert "CUDA Setup failed" in broken.message
    assert MEND in broken.cure


def test_cards_are_calculated_on_only_when_that_is_asked_for(python):
    python.says("torch", {**CUDA_126, "tried": True})
    python.says("bitsandbytes", {"version": "0.48", "tried": False})
    environment = python.environment(bitsandbytes="0.48")
    found = findings(environment, RTX_3090, try_cards=True)
    assert python.asked() == ["torch card", "bitsandbytes card"]
    assert "was tried on the first card" in found["torch"].message
    assert "calculates wrongly" in found["bitsandbytes"].message
    findings(environment, processor(), try_cards=True)
    assert python.asked()[2:] == ["torch", "bitsandbytes"]


def test_no_secret_is_handed_to_what_is_imported(python, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_planted")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    findings(python.environment(), RTX_3090)
    assert "HF_TOKEN" not in python.variables()
    assert python.variables()["CUDA_VISIBLE_DEVICES"] == "0"
    assert "PYTHONPATH" not in python.variables()


def test_our_own_environment_can_be_asked():
    packages = dict(installed_packages())
    environment = Environment(trainer="bundled", python=sys.executable, packages=packages)
    torch = findings(environment, processor())["torch"]
    assert torch.level is Level.OK
    assert packages["torch"] in torch.message
