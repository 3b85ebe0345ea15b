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


def test_a_clone_is_queued_beside_the_original(say):
    made = say("clone", 1, "--set", "learning_rate=1e-3,1e-5", "--json").json
    assert (len(made["jobs"]), made["grid"], made["failed"]) == (2, "grid-001", False)
    assert "learning_rate=0.001" in say("jobs").out
    assert "1 job queued" in say("clone", 1, "--set", "network_dim=32").out
    refused(say("clone", 1), "needs something to change", "--set")


def test_less_memory_says_what_it_takes_less_of(say):
    told = say("less-memory", 2)
    assert told.code == 0
    assert "gradient checkpointing" in told.out


def test_a_suggestion_tells_its_reasons_and_the_command_that_queues_it(say):
    told = say("suggest", 1, "--because", "burnt")
    assert told.code == 0
    assert "by heart" in told.out
    command = told.out.rpartition("train-tools ")[2].split()
    assert command[:2] == ["clone", "1"]
    before = len(say("jobs", "--json").json)
    assert say(*command).code == 0
    assert len(say("jobs", "--json").json) == before + 1
    assert say("suggest", 1, "--because", "sad").code == 2


def test_what_is_no_checkpoint_can_not_be_gone_on_from(say):
    refused(say("continue", 1, "--epochs", 2), "is no checkpoint of", "none yet")
