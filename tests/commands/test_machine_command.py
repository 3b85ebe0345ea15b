from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.jobs.patience import eventually
from tests.machine.stand_ins import StandIns
from tests.test_cli import ROOT, Say, command_line
from train_tools.jobs.queue import Queue
from train_tools.model.job import NewJob
from train_tools.model.paths import OutputsPaths

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="stand-ins for Linux's programs")


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIns:
    """Nothing real can be reached."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return StandIns(tmp_path / "bin")


@pytest.fixture
def say(tmp_path: Path, stand_ins: StandIns) -> Say:
    return command_line(tmp_path)


@pytest.fixture
def waiting(tmp_path: Path) -> None:
    """One job that waits."""
    queue = Queue(OutputsPaths(tmp_path / "outputs" / "train_tools").queue)
    queue.add([NewJob(kind="train", title="a", folder="a")])
    queue.close()


@pytest.mark.usefixtures("waiting")
def test_a_shutdown_is_asked_for_looked_at_and_revoked(say, stand_ins):
    stand_ins.put("systemctl")
    assert say("then").out == "Nothing happens when the queue is done.\n"
    assert "is shut down when the queue is done" in say("then", "shut-down", "--yes").out
    assert say("then", "--json").json == {"then": "shut_down", "seconds_left": None, "problem": ""}
    assert say("then", "nothing").out == "Nothing happens when the queue is done.\n"
    assert stand_ins.calls("systemctl") == []


@pytest.mark.usefixtures("waiting")
@pytest.mark.parametrize("words", [("then", "shut-down"), ("work", "--then-shut-down")])
def test_who_does_not_confirm_has_not_asked(say, stand_ins, words):
    stand_ins.put("systemctl")
    said = say(*words)
    assert said.code == 1
    assert "also when some runs failed" in said.out
    assert say("then", "--json").json["then"] == "nothing"


def test_what_the_machine_has_no_means_for_is_said_among_the_settings(say, stand_ins):
    assert "asleep while jobs wait or run; this machine has no means for it" in say("settings").out
    stand_ins.put("systemd-inhibit")
    assert "no means" not in say("settings").out


def test_nothing_to_wait_for_is_told(say, stand_ins):
    stand_ins.put("systemctl")
    said = say("work", "--then-shut-down", "--yes")
    assert (said.code, "Nothing waits or runs" in said.err) == (1, True)


@pytest.mark.usefixtures("waiting")
def test_ctrl_c_revokes_it(tmp_path, say, stand_ins):
    stand_ins.put("systemctl")
    words = ("--outputs", str(tmp_path / "outputs"), "work", "--then-shut-down", "--yes")
    worker = subprocess.Popen(
        [sys.executable, "-m", "train_tools", *words],
        env={
            **os.environ,
            "TRAIN_TOOLS_STATE": str(tmp_path / "state"),
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "sd_scripts"))),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    eventually(lambda: say("then", "--json").json["seconds_left"] is not None)
    worker.send_signal(signal.SIGINT)
    out, err = worker.communicate(timeout=60)
    assert (worker.returncode, "shuts down in 60 s" in out, "Traceback" in err) == (130, True, False)
    assert say("then", "--json").json["then"] == "nothing"
    assert stand_ins.calls("systemctl") == []


@pytest.mark.usefixtures("waiting")
def test_a_machine_without_a_program_for_it_is_told(say):
    said = say("work", "--then-shut-down", "--yes")
    assert (said.code, "has no program" in said.err) == (1, True)
