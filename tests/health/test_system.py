from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import psutil
import pytest

from train_tools.health.system import Limits, folder_findings, port_finding, system_findings
from train_tools.model.finding import Finding, Level


def findings(root: Path) -> dict[str, Finding]:
    return {finding.check: finding for finding in system_findings(Limits(root=root))}


def put(root: Path, name: str, text: str = "") -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


def test_this_machine_is_told():
    found = findings(Path("/"))
    assert {"python", "system", "main memory", "clock"} <= set(found)
    assert (found["python"].level, found["clock"].level) == (Level.OK, Level.OK)
    assert found["python"].message.startswith(f"Python {sys.version_info[0]}.{sys.version_info[1]}.")


@pytest.mark.parametrize("name", ["sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"])
def test_a_container_with_little_memory_is_told(tmp_path, name):
    put(tmp_path, name, "1500000000\n")
    put(tmp_path, ".dockerenv")
    found = findings(tmp_path)
    assert "in a container" in found["system"].message
    memory = found["main memory"]
    assert memory.level is Level.WARNING
    assert "the container may have 1.5 GB" in memory.message
    assert "--memory" in memory.cure


@pytest.mark.parametrize("limit", ["max", str(2**63 - 4096), ""])
def test_no_limit_is_none(tmp_path, limit):
    put(tmp_path, "sys/fs/cgroup/memory.max", limit)
    assert Limits(root=tmp_path).memory_bytes is None
    assert "container" not in findings(tmp_path)["main memory"].message


def test_wsl_is_known_by_its_kernel(tmp_path):
    put(tmp_path, "proc/version", "Linux version 5.15.90.1-microsoft-standard-WSL2")
    assert "in WSL" in findings(tmp_path)["system"].message


def test_little_shared_memory_is_told(tmp_path, monkeypatch):
    assert "shared memory" not in findings(tmp_path)
    (tmp_path / "dev" / "shm").mkdir(parents=True)
    monkeypatch.setattr("train_tools.health.system.LITTLE_SHARED", float("inf"))
    found = findings(tmp_path)["shared memory"]
    assert (found.level, "--shm-size" in found.cure) == (Level.WARNING, True)


def test_the_outputs_folder_is_written_into_and_left_as_it_was(tmp_path, awkward_name):
    folder = tmp_path / awkward_name / "train_tools"
    (found,) = folder_findings(folder)
    assert "can be written" in found.message
    assert list(folder.iterdir()) == []


def test_an_outputs_folder_that_is_a_file_is_told(tmp_path):
    (tmp_path / "outputs").write_text("a file")
    (found,) = folder_findings(tmp_path / "outputs" / "train_tools")
    assert (found.level, "can't be written" in found.message) == (Level.STOP, True)
    assert "--outputs" in found.cure


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="may write everywhere")
def test_an_outputs_folder_that_is_not_ours_is_told(tmp_path):
    tmp_path.chmod(0o500)
    (found,) = folder_findings(tmp_path)
    tmp_path.chmod(0o700)
    assert (found.level, "Permission denied" in found.message) == (Level.STOP, True)


@pytest.mark.parametrize(("least", "level"), [("LITTLE_DISK", Level.WARNING), ("NO_DISK", Level.STOP)])
def test_little_room_is_told(tmp_path, monkeypatch, least, level):
    monkeypatch.setattr("train_tools.health.system.LITTLE_DISK", float("inf"))
    monkeypatch.setattr(f"train_tools.health.system.{least}", float("inf"))
    (found,) = folder_findings(tmp_path)
    assert (found.level, "Free some space" in found.cure) == (level, True)


def test_a_port_that_is_taken_is_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert port_finding(port, "").level is Level.WARNING
        assert port_finding(port, "http://127.0.0.1:7870/").level is Level.OK
    assert port_finding(port, "").level is Level.OK


def test_memory_is_that_of_the_machine():
    assert f"of {psutil.virtual_memory().total / 1e9:.1f} GB" in findings(Path("/"))["main memory"].message
