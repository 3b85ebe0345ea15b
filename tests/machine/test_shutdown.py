from __future__ import annotations

import json
from pathlib import Path

import pytest

from train_tools.errors import StorageError
from train_tools.machine.program import run
from train_tools.machine.shutdown import ShutdownWish, Wish, boot, shutdown_program


@pytest.fixture
def wish(tmp_path: Path) -> ShutdownWish:
    return ShutdownWish(tmp_path / "state" / "then" / "queue")


def test_a_wish_is_there_until_it_is_revoked_once(wish):
    assert wish.read() is None
    assert not wish.revoke()
    wish.ask()
    assert wish.read() == Wish()
    assert wish.revoke()
    assert not wish.revoke()
    assert wish.read() is None


def test_noting_the_countdown_does_not_bring_a_revoked_wish_back(wish):
    wish.ask()
    wish.announce(1234.5)
    assert wish.read() == Wish(at=1234.5)
    wish.revoke()
    wish.announce(1300.0)
    assert wish.read() is None
    wish.ask()
    assert wish.read() == Wish()


def test_why_it_could_not_be_done_is_kept(wish):
    wish.ask("not allowed")
    assert wish.read() == Wish(problem="not allowed")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"boot": 3}', json.dumps({"format": 1, "boot": "another start", "problem": ""})]
)
def test_a_wish_of_another_start_of_the_system_or_a_damaged_one_is_none(wish, text):
    wish.ask()
    file = next(file for file in wish._file.parent.iterdir() if file.name == "shut-down.json")
    file.write_text(text)
    assert wish.read() is None
    wish.ask()
    assert wish.read() == Wish()


def test_a_start_of_the_system_has_a_name_that_stays():
    assert boot() == boot() != ""


def test_a_wish_that_can_not_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="Could not write"):
        ShutdownWish(tmp_path / "file").ask()


def test_each_system_has_its_program(stand_ins):
    assert [shutdown_program(system) for system in ("linux", "darwin", "win32")] == [None, None, None]
    for name in ("shutdown", "osascript"):
        stand_ins.put(name)
    assert (
        run(shutdown_program("win32")) == run(shutdown_program("darwin")) == run(shutdown_program("linux")) == ""
    )
    assert stand_ins.calls("shutdown") == [["/s", "/t", "0"], ["-h", "now"]]
    assert stand_ins.calls("osascript") == [["-e", 'tell application "System Events" to shut down']]
    stand_ins.put("systemctl")
    assert run(shutdown_program("linux")) == ""
    assert stand_ins.calls("systemctl") == [["poweroff"]]
