"""Which program shows a place, with which words, and what becomes of it. The programs are stand-ins."""

from __future__ import annotations

import time

import pytest

from train_tools.machine.file_manager import file_manager, show

SEEN = {"DISPLAY": ":0"}


@pytest.fixture
def place(tmp_path, awkward_name):
    folder = tmp_path / awkward_name
    folder.mkdir()
    (folder / "a.safetensors").touch()
    return folder


def test_without_a_program_or_a_display_nothing_is_shown(stand_ins, tmp_path):
    assert [file_manager(tmp_path, system, SEEN) for system in ("linux", "darwin", "win32")] == [None] * 3
    stand_ins.put("xdg-open")
    assert file_manager(tmp_path, "linux", {}) is None


@pytest.mark.parametrize(
    ("system", "program", "of_folder", "of_file"),
    [
        ("linux", "xdg-open", ["{folder}"], ["{folder}"]),
        ("darwin", "open", ["{folder}"], ["-R", "{file}"]),
        ("win32", "explorer", ["{folder}"], ["/select,{file}"]),
    ],
)
def test_the_place_is_one_word_of_the_command(stand_ins, place, system, program, of_folder, of_file):
    stand_ins.put(program)
    file = place / "a.safetensors"
    for asked in (place, file):
        assert show(file_manager(asked, system, SEEN)) == ""
    words = [[word.format(folder=place, file=file) for word in each] for each in (of_folder, of_file)]
    assert stand_ins.calls(program) == words


def test_what_fails_at_once_is_told_and_what_stays_is_let_go(stand_ins, tmp_path):
    stand_ins.put("xdg-open", "sys.exit(4)")
    assert show(file_manager(tmp_path, "linux", SEEN)) == "xdg-open ended with code 4"
    assert show(file_manager(tmp_path, "linux", SEEN), "win32") == "", "explorer's code means nothing"
    stays = tmp_path / "stays"
    stand_ins.put("xdg-open", f"import time; time.sleep(3); open({str(stays)!r}, 'w').close()")
    assert show(file_manager(tmp_path, "linux", SEEN)) == ""
    assert not stays.exists()
    while not stays.exists():
        time.sleep(0.05)
