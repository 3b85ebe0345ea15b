from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from tests.health.environments import StandIn, without_packages
from train_tools.health.compiling import dynamo_works
from train_tools.model.finding import Level

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="stand-ins are started by sh")


@pytest.fixture
def python(tmp_path) -> StandIn:
    return StandIn(tmp_path / "its venv")


def test_that_it_works_is_remembered_for_the_same_packages(python, tmp_path):
    python.says("compile", {"device": "cuda"})
    found = dynamo_works(python.environment(), tmp_path / "cache")
    assert (found.level, "works for kohya, on the card" in found.message) == (Level.OK, True)
    python.says("compile", {"problem": "no compiler"})
    assert dynamo_works(python.environment(), tmp_path / "cache") == found
    assert len(python.asked()) == 1
    other = replace(python.environment(), packages={"torch": "2.10"})
    assert dynamo_works(other, tmp_path / "cache").level is Level.WARNING


def test_that_it_does_not_work_is_found_out_anew(python, tmp_path):
    python.says("compile", {"problem": "InvalidCxxCompiler: no working compiler"})
    found = dynamo_works(python.environment(), tmp_path / "cache")
    assert found.level is Level.WARNING
    assert "no working compiler" in found.message
    assert "C++ compiler" in found.cure
    python.says("compile", {"device": "cpu"})
    assert dynamo_works(python.environment(), tmp_path / "cache").level is Level.OK


def test_one_that_takes_too_long_does_not_work(python, tmp_path):
    python.does("compile", "import time; time.sleep(600)")
    found = dynamo_works(python.environment(), tmp_path / "cache", time_limit_s=1.0)
    assert "did not answer within 1 s" in found.message


def test_a_cache_that_can_not_be_written_hinders_nothing(python, tmp_path):
    python.says("compile", {"device": "cpu"})
    (tmp_path / "cache").write_text("a file")
    assert dynamo_works(python.environment(), tmp_path / "cache").level is Level.OK


def test_an_environment_without_torch_is_told(tmp_path):
    found = dynamo_works(without_packages(tmp_path / "bare"), tmp_path / "cache")
    assert "No module named 'torch'" in found.message
