from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.base_models.depot import Depot, giving
from tests.jobs.patience import eventually
from tests.test_cli import POCKET, ROOT, Say, command_line

CONTENT = POCKET.read_bytes()


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Say:
    for variable in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    return command_line(tmp_path)


@pytest.fixture
def depot() -> Iterator[Depot]:
    with giving(Depot(CONTENT)) as depot:
        yield depot


def test_a_model_is_fetched_once_it_is_agreed_to(say, depot, tmp_path):
    address = f"{depot.address}file/it's [a].safetensors?token=sEcReT"
    said = say("models", "download", address)
    assert (said.code, "--yes" in said.err) == (1, True)
    assert "9.6 MB, from 127.0.0.1" in said.out
    assert "sEcReT" not in said.out + said.err
    fetched = say("models", "download", address, "--yes")
    assert (fetched.code, "is here" in fetched.out) == (0, True)
    file = tmp_path / "outputs" / "train_tools" / "models" / "it's [a].safetensors"
    assert file.read_bytes() == CONTENT
    assert say("models", "list", "--json").json["models"][0]["path"] == str(file)
    again = say("models", "download", address, "--yes")
    assert (again.code, "is there already" in again.err) == (1, True)


def test_one_that_broke_off_goes_on(say, depot, tmp_path):
    address = f"{depot.address}file/a.safetensors"
    depot.break_after = [4_000_000, 0, 0]
    broken = say("models", "download", address, "--yes", "--to", tmp_path)
    assert (broken.code, "Ask again to go on from there" in broken.err) == (1, True)
    depot.break_after = []
    said = say("models", "download", address, "--yes", "--to", tmp_path, "--json")
    assert said.json["family"] == "sd1"
    assert depot.asked[-1][1] == "bytes=4000000-"


def test_what_can_not_be_fetched_is_told(say, depot, tmp_path):
    for words, says in (
        (["file:///etc/passwd"], "https://"),
        ([f"{depot.address}nothing.safetensors"], "answers 404"),
        ([f"{depot.address}file/a.safetensors", "--to", tmp_path / "gone"], "no folder"),
        ([f"{depot.address}file/a.safetensors", "--yes", "--sha256", "abc"], "no sha256"),
    ):
        said = say("models", "download", *words)
        assert (said.code, says in said.err) == (1, True), said.err


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent as a signal")
def test_control_c_keeps_what_has_come(say, depot, tmp_path):
    address = f"{depot.address}file/a.safetensors"
    part = tmp_path / "a.safetensors.part"
    command = [sys.executable, "-m", "train_tools", "--outputs", str(tmp_path / "outputs"), "models", "download"]
    environment = {
        **os.environ,
        "TRAIN_TOOLS_STATE": str(tmp_path / "state"),
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "sd_scripts"))),
    }
    depot.held.clear()
    with subprocess.Popen(
        [*command, address, "--yes", "--to", str(tmp_path)], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        eventually(lambda: part.exists() and part.stat().st_size > 2_000_000)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=30)
    assert (process.returncode, "the same command goes on from there" in said) == (130, True)
    depot.held.set()
    size = part.stat().st_size
    assert say("models", "download", address, "--yes", "--to", tmp_path).code == 0
    assert depot.asked[-1][1] == f"bytes={size}-"
    assert (tmp_path / "a.safetensors").read_bytes() == CONTENT
