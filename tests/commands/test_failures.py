"""What the command line says of a training that failed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.test_cli import AWKWARD, POCKET, VERSION, Say, command_line, draw_pictures, import_pictures


@pytest.fixture
def say(tmp_path: Path) -> Say:
    """A command line on a version with three pictures."""
    say = command_line(tmp_path)
    say("project", "create", AWKWARD)
    say("version", "create", *VERSION)
    import_pictures(say, draw_pictures(tmp_path / "pictures"))
    return say


def test_a_failed_job_says_what_happened_and_what_to_do(say, tmp_path):
    base = tmp_path / "base [v1].safetensors"
    shutil.copy(POCKET, base)
    [job] = say("submit", *VERSION, "--base-model", base, "--json").json["jobs"]
    base.unlink()
    assert say("work", "--quiet").code == 0
    assert f"`train-tools log {job}` says what happened" in say("jobs").out
    log = say("log", job)
    assert (log.code, log.out.strip()) == (0, "")
    assert "A file is not where it was" in log.err
    assert str(base) in log.err
    assert f"train-tools retry {job}" in log.err
    assert "Put it back" in log.err


def test_a_job_that_has_not_failed_shows_its_log_alone(say):
    [job] = say("submit", *VERSION, "--base-model", POCKET, "--json").json["jobs"]
    assert say("log", job).err == ""
