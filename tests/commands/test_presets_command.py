from __future__ import annotations

import pytest

from tests.test_cli import Say, command_line

CAT = ("it's [a] cat 猫", "v1")


@pytest.fixture(scope="module")
def say(tmp_path_factory: pytest.TempPathFactory) -> Say:
    say = command_line(tmp_path_factory.mktemp("presets"))
    say("project", "create", CAT[0])
    say("version", "create", *CAT)
    return say


def test_presets_are_listed_and_shown(say):
    assert "sdxl-style-24gb" in say("preset", "list").out
    shown = say("preset", "show", "sd1-object-8gb")
    assert "8 GB" in shown.out
    assert "512 x 512" in shown.out
    assert say("preset", "show", "sd1-object-8gb", "--json").json["options"]["network_dim"] == 16


def test_a_preset_is_applied_kept_and_deleted(say):
    assert say("preset", "apply", "sd1-object-8gb", *CAT, "--json").json["after"]["train_batch_size"] == 2
    assert "had these options already" in say("preset", "apply", "sd1-object-8gb", *CAT).out
    assert say("preset", "save", *CAT, "my [own] 猫", "--why", "Just so.").code == 0
    assert say("preset", "list", "--json").json[0]["why"] == "Just so."
    again = say("preset", "save", *CAT, "my [own] 猫")
    assert (again.code, "--replace" in again.err) == (1, True)
    assert say("preset", "delete", "my [own] 猫").code == 0
    assert say("preset", "delete", "my [own] 猫").code == 1


def test_my_defaults_are_what_new_versions_begin_with(say):
    say("preset", "apply", "traintrain", *CAT)
    assert "new versions begin with it" in say("preset", "save", *CAT, "--as-defaults").out
    say("version", "create", CAT[0], "v2")
    assert "had these options already" in say("preset", "apply", "traintrain", CAT[0], "v2").out
    assert say("preset", "delete", "my defaults").code == 0


def test_a_name_or_as_defaults_is_wanted(say):
    for words in ((), ("a", "--as-defaults")):
        said = say("preset", "save", *CAT, *words)
        assert (said.code, "--as-defaults instead" in said.err) == (1, True)
