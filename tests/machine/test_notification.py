from __future__ import annotations

import pytest

from train_tools.machine.notification import LONGEST, notification
from train_tools.machine.program import run

NAME = 'it\'s "<b>[red]</b>" & $(touch x) `кот` 猫\n2nd line'
pytestmark = pytest.mark.usefixtures("stand_ins")


def test_without_a_program_there_is_no_message():
    assert [notification("a", "b", system) for system in ("linux", "darwin", "win32")] == [None, None, None]


def test_on_linux_words_are_arguments_and_no_markup(stand_ins):
    stand_ins.put("notify-send")
    program = notification(NAME, NAME, "linux")
    assert run(program) == ""
    escaped = NAME.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert stand_ins.calls("notify-send") == [["--app-name=Train Tools", NAME, escaped]]


def test_on_a_mac_words_are_arguments_and_no_part_of_the_script(stand_ins):
    stand_ins.put("osascript")
    assert run(notification(NAME, "text", "darwin")) == ""
    words = stand_ins.calls("osascript")[0]
    assert words[-2:] == [NAME, "text"]
    assert not any("кот" in word for word in words[:-2])


def test_on_windows_words_are_in_the_environment_and_no_part_of_the_script(stand_ins):
    stand_ins.put("powershell")
    program = notification(NAME, "text", "win32")
    assert not any("кот" in word for word in program.command)
    assert program.environment == {"TRAIN_TOOLS_TITLE": NAME, "TRAIN_TOOLS_TEXT": "text"}
    assert run(program) == ""
    assert '"title": "it' in stand_ins.diary("powershell").read_text()


def test_a_name_is_never_taken_for_an_option(stand_ins):
    stand_ins.put("notify-send")
    assert run(notification("--help", "-t", "linux")) == ""
    assert stand_ins.calls("notify-send")[0][-2:] == [" --help", " -t"]


def test_what_no_argument_can_hold_is_left_out_and_a_long_text_is_cut(stand_ins):
    stand_ins.put("notify-send")
    assert run(notification("a\0b\x1b[31m", "x" * 9999, "linux")) == ""
    title, text = stand_ins.calls("notify-send")[0][-2:]
    assert title == "ab[31m"
    assert (len(text), text[-1]) == (LONGEST, "…")


def test_a_program_that_fails_is_told_with_its_last_words(stand_ins):
    stand_ins.put("notify-send", "print('first'); sys.exit('no desktop here')")
    assert run(notification("a", "b", "linux")) == "notify-send ended with code 1: no desktop here"


def test_a_program_that_hangs_is_not_waited_for(stand_ins):
    stand_ins.put("notify-send", "import time; time.sleep(60)")
    assert run(notification("a", "b", "linux"), timeout_s=0.2) == "notify-send did not answer within 0.2 s"


def test_a_program_that_is_no_program_is_told(stand_ins):
    program = stand_ins.folder / "notify-send"
    program.write_bytes(b"\x7fELF")
    program.chmod(0o755)
    assert "could not be started" in run(notification("a", "b", "linux"))
