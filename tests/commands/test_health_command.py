from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from tests.test_cli import Say, command_line


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Say:
    monkeypatch.setenv("TRAIN_TOOLS_GPUS", "none")
    return command_line(tmp_path)


def test_the_doctor_tells_section_by_section_and_warnings_are_no_failure(say):
    said = say("doctor")
    assert said.code == 0, said.out + said.err
    assert "This machine\n  ok      Python 3." in said.out
    assert "  warning No base model was found." in said.out
    assert "models.folders=DIR" in said.out
    assert said.out.rstrip().endswith(("nothing stops a training.", "All is well."))


def test_what_stops_trainings_ends_with_1(say, tmp_path):
    outputs = tmp_path / "outputs" / "train_tools"
    outputs.mkdir(parents=True)
    (outputs / "settings.toml").write_text("[machine]\nkeep_awake = 3\n")
    said = say("doctor", "--json")
    assert said.code == 1
    answer = json.loads(said.out)
    assert answer["level"] == "stop"
    bundled = next(section for section in answer["sections"] if section["title"] == "Trainer bundled")
    torch = next(finding for finding in bundled["findings"] if finding["check"] == "torch")
    assert set(torch) == {"check", "level", "message", "cure", "runs"}
    assert torch["message"].startswith("PyTorch")
    assert "line 2" in said.out


def test_the_bundle_is_written_once_and_its_place_told(say, tmp_path):
    said = say("doctor", "--bundle", "it's a 🌙.zip")
    assert said.code == 0, said.err
    assert "it's a 🌙.zip is written." in said.out
    with zipfile.ZipFile(tmp_path / "it's a 🌙.zip") as archive:
        assert archive.testzip() is None
    again = say("doctor", "--bundle", "it's a 🌙.zip")
    assert (again.code, "is there already" in again.err) == (1, True)
