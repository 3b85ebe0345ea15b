from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.jobs.patience import eventually
from train_tools.machine.night import GRACE_S, LOOK_AGAIN_S, Night
from train_tools.machine.shutdown import ShutdownWish

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="stand-ins for Linux's programs")


class Stage:
    """A night whose clock is moved by hand; nothing it calls is real."""

    def __init__(self, folder: Path, stand_ins) -> None:
        self.stand_ins = stand_ins
        for name in ("systemctl", "notify-send"):
            stand_ins.put(name)
        stand_ins.put("systemd-inhibit", "sys.stdin.read()")
        self.wish = ShutdownWish(folder)
        self.now, self.keep_awake, self.done, self.alone = 0.0, True, True, True
        self.said: list[str] = []
        self.night = Night(
            self.wish,
            keep_awake=lambda: self.keep_awake,
            done=lambda: self.done,
            alone=lambda: self.alone,
            say=self.said.append,
            clock=lambda: self.now,
        )

    def idle_for(self, seconds: float) -> bool:
        """Whether the worker may go, that much later."""
        self.now += seconds
        return self.night.idle()

    @property
    def shutdowns(self) -> int:
        return len(self.stand_ins.calls("systemctl"))


@pytest.fixture
def stage(tmp_path, stand_ins):
    made = Stage(tmp_path / "then", stand_ins)
    yield made
    made.night.ended()


def test_nothing_is_shut_down_unless_it_is_asked_for(stage):
    stage.night.busy()
    assert stage.night.idle()
    assert stage.idle_for(9999)
    assert (stage.shutdowns, stage.said) == (0, [])


def test_when_it_is_asked_for_the_machine_is_shut_down_a_minute_after_the_last_job(stage):
    stage.wish.ask()
    stage.night.busy()
    assert stage.wish.read().at is None
    assert not stage.night.idle()
    assert stage.wish.read().at is not None
    assert not stage.idle_for(GRACE_S - 1)
    assert stage.shutdowns == 0
    assert stage.idle_for(1)
    assert stage.shutdowns == 1
    assert "shuts down in 60 s" in stage.said[0]
    assert stage.stand_ins.calls("notify-send")[0][-1] == stage.said[0]


def test_a_wish_is_carried_out_once(stage):
    stage.wish.ask()
    stage.night.idle()
    assert stage.idle_for(GRACE_S)
    assert stage.wish.read() is None
    assert stage.idle_for(9999)
    assert stage.shutdowns == 1


def test_it_can_be_revoked_to_the_last_second_and_asked_for_again(stage):
    stage.wish.ask()
    stage.night.idle()
    stage.idle_for(GRACE_S - 1)
    stage.wish.revoke()
    assert stage.idle_for(1)
    assert stage.idle_for(9999)
    assert stage.said[-1] == "This machine is not shut down now."
    stage.wish.ask()
    assert not stage.night.idle()
    assert not stage.idle_for(GRACE_S - 1)
    assert stage.shutdowns == 0


def test_a_job_that_comes_meanwhile_is_run_first_and_the_minute_begins_again(stage):
    stage.wish.ask()
    stage.night.idle()
    stage.idle_for(GRACE_S - 1)
    stage.night.busy()
    assert stage.wish.read().at is None
    stage.now += 9999
    assert not stage.night.idle()
    assert not stage.idle_for(GRACE_S - 1)
    assert stage.shutdowns == 0
    assert stage.idle_for(1)
    assert stage.shutdowns == 1


def test_what_somebody_paused_keeps_the_machine_on(stage):
    stage.wish.ask()
    stage.done = False
    assert stage.night.idle()
    assert stage.idle_for(9999)
    assert (stage.shutdowns, stage.wish.read() is not None) == (0, True)


def test_another_folders_work_is_not_ended(stage):
    stage.wish.ask()
    stage.alone = False
    stage.night.idle()
    assert not stage.idle_for(GRACE_S)
    assert stage.shutdowns == 0
    stage.alone = True
    assert not stage.idle_for(GRACE_S - 1)
    assert stage.idle_for(1)
    assert stage.shutdowns == 1


def test_a_machine_that_can_not_be_shut_down_says_why_and_is_not_tried_again(stage):
    stage.stand_ins.put("systemctl", "sys.exit('Interactive authentication required.')")
    stage.wish.ask()
    stage.night.idle()
    assert stage.idle_for(GRACE_S)
    assert stage.said[-1].endswith("systemctl ended with code 1: Interactive authentication required.")
    assert stage.wish.read().problem.startswith("systemctl ended with code 1")
    assert stage.idle_for(9999)
    assert stage.shutdowns == 1


def test_a_worker_that_goes_takes_its_countdown_along(stage):
    stage.wish.ask()
    stage.night.idle()
    stage.night.ended()
    assert (stage.wish.read().at, stage.shutdowns) == (None, 0)


def test_the_machine_is_kept_awake_while_there_is_work_and_no_longer(stage):
    for _ in range(3):
        stage.night.busy()
    eventually(lambda: stage.stand_ins.calls("systemd-inhibit"))
    process = stage.night._awake._process
    assert process.poll() is None
    stage.night.idle()
    assert process.poll() is not None
    assert len(stage.stand_ins.calls("systemd-inhibit")) == 1


def test_what_is_decided_meanwhile_counts_from_the_next_look(stage):
    stage.keep_awake = False
    stage.night.busy()
    assert stage.night._awake._process is None
    stage.keep_awake = True
    stage.night.busy()
    assert stage.night._awake._process is None
    stage.now += LOOK_AGAIN_S
    stage.night.busy()
    assert stage.night._awake._process is not None
    stage.keep_awake = False
    stage.now += LOOK_AGAIN_S
    stage.night.busy()
    assert stage.night._awake._process is None


def test_a_folder_for_wishes_that_can_not_be_used_stops_no_worker(stage):
    stage.wish.ask()
    stage.wish._countdown.mkdir()
    assert stage.night.idle()
    assert "Could not write countdown.json" in stage.said[0]
