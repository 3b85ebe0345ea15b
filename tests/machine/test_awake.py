from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.jobs.patience import eventually
from train_tools.machine.awake import Awake, can_keep_awake, inhibitor

UNTIL_CLOSED = "sys.stdin.read(); open(sys.argv[0] + '.released', 'w').close()"
HELD_BY_ANOTHER = """
import sys, time
from train_tools.machine.awake import Awake
Awake().hold()
print("held", flush=True)
time.sleep(60)
"""
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what keeps Linux awake")


def test_the_machine_is_held_awake_once_and_let_go(stand_ins):
    stand_ins.put("systemd-inhibit", "sys.stdin.read()")
    awake = Awake()
    for _ in range(3):
        awake.hold()
    eventually(lambda: stand_ins.calls("systemd-inhibit"))
    process = awake._process
    awake.release()
    awake.release()
    assert process.returncode is not None
    awake.hold()
    eventually(lambda: len(stand_ins.calls("systemd-inhibit")) == 2)
    awake.release()
    words = stand_ins.calls("systemd-inhibit")[0]
    assert words == ["--what=idle:sleep", "--who=Train Tools", f"--why={words[2][6:]}", "--mode=block", "cat"]


def test_a_process_that_is_killed_keeps_nothing_awake(stand_ins):
    program = stand_ins.put("systemd-inhibit", UNTIL_CLOSED)
    holder = subprocess.Popen([sys.executable, "-c", HELD_BY_ANOTHER], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    eventually(lambda: stand_ins.calls("systemd-inhibit"))
    assert not program.with_name("systemd-inhibit.released").exists()
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    assert eventually(program.with_name("systemd-inhibit.released").exists)


def test_a_program_that_ignores_being_asked_is_ended(stand_ins):
    stand_ins.put("systemd-inhibit", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)")
    awake = Awake()
    awake.hold()
    eventually(lambda: stand_ins.calls("systemd-inhibit"))
    process = awake._process
    awake.release()
    assert process.returncode is not None


def test_a_machine_that_has_no_means_or_broken_ones_works_all_the_same(stand_ins):
    assert not can_keep_awake("linux")
    assert not can_keep_awake("darwin")
    assert can_keep_awake("win32")
    for more in (None, "sys.exit('no bus')"):
        if more:
            stand_ins.put("systemd-inhibit", more)
        awake = Awake()
        awake.hold()
        awake.release()


def test_on_a_mac_the_program_ends_with_this_process(stand_ins):
    stand_ins.put("caffeinate")
    assert inhibitor("darwin").command[1:] == ("-i", "-w", str(os.getpid()))
