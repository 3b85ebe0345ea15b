"""Commands about single runs, as people and scripts meet them. Nothing is trained here."""

from __future__ import annotations

import pytest

from tests.test_cli import AWKWARD, POCKET, VERSION, Say, command_line, draw_pictures, import_pictures, refused


@pytest.fixture(scope="module")
def say(tmp_path_factory: pytest.TempPathFactory) -> Say:
    """A command line on a version with two queued runs, jobs 1 and 2."""
    folder = tmp_path_factory.mktemp("a folder")
    say = command_line(folder)
    say("project", "create", AWKWARD)
    say("version", "create", *VERSION)
    import_pictures(say, draw_pictures(folder / "pictures"))
    settings = ("--set", "network_dim=8,16", "--set", "seed=1", "--base-model", POCKET)
    assert say("submit", *VERSION, *settings, "--json").json["jobs"] == [1, 2]
    return say


def test_what_differs_is_told_by_what_it_is_about(say):
    told = say("diff", 1, 2)
    assert told.code == 0
    assert [word for word in ("options", "network_dim", "8", "16") if word not in told.out] == []
    assert "packages" not in told.out
    answer = say("diff", 1, 2, "--json").json
    assert answer["options"] == [{"what": "network_dim", "before": "8", "after": "16"}]
    assert (answer["dataset"], answer["machine"], answer["notes"]) == ([], [], [])


def test_a_run_is_the_same_as_itself(say):
    assert "same in everything" in say("diff", 1, 1).out
    compared = say("diff", 1, 1, "--checkpoints", "--json").json
    assert (compared["equal"], compared["checkpoints"]) == (False, [])


def test_the_command_is_one_line_on_stdout(say, tmp_path):
    told = say("command", 1, "--output", tmp_path / "out")
    assert (told.code, told.err, told.out.count("\n")) == (0, "", 1)
    assert "train_network.py" in told.out
    assert str(tmp_path / "out") in told.out


def test_a_reproduction_is_queued_with_the_command_that_compares(say):
    told = say("reproduce", 1)
    assert told.code == 0
    assert "no checkpoints to compare with" in told.out
    assert "--checkpoints" in told.out
    queued = say("reproduce", 1, "--json").json
    assert queued["run"].endswith("-again-2")
    assert {job["state"] for job in say("jobs", "--json").json} == {"queued"}
    assert "(again)" in say("jobs").out


@pytest.mark.parametrize("command", [("diff", "nothing"), ("command",), ("reproduce",)])
def test_a_run_that_is_not_there_is_told(say, command):
    refused(say(*command, "nothing"), "There is no run 'nothing'", "train-tools jobs")
    refused(say(*command[:1], 77, *command[1:]), "There is no job 77")
