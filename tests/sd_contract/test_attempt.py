import pytest

from sd_contract.attempt import URGENCY, Attempt, Result, read_result, write_result
from train_tools.model.job import Stop


def test_the_environment_names_the_attempt(tmp_path):
    environment = {"TRAIN_TOOLS_EVENTS": str(tmp_path / "events.jsonl")}

    assert Attempt.from_environment(environment) == Attempt(tmp_path)
    assert Attempt.from_environment({}) is None


def test_a_stop_file_is_a_request(tmp_path):
    attempt = Attempt(tmp_path)
    assert not attempt.stop_requested
    attempt.stop.touch()

    assert attempt.stop_requested


def test_a_result_reads_back_as_it_was_written(tmp_path):
    result = Result(outcome="failed", step=3, total_steps=9, files=("a.safetensors",), message="диск полон")
    write_result(Attempt(tmp_path), result)

    assert read_result(Attempt(tmp_path)) == result
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_a_missing_or_torn_result_is_none(tmp_path):
    assert read_result(Attempt(tmp_path)) is None
    Attempt(tmp_path).result.write_text('{"outcome": "do', encoding="utf-8")

    assert read_result(Attempt(tmp_path)) is None


def test_a_stop_says_how_urgently_and_only_gets_more_urgent(tmp_path):
    attempt = Attempt(tmp_path)
    assert attempt.stop_mode is None
    told = []
    for mode in ("epoch", "epoch", "step", "epoch", "now", "step"):
        attempt.request_stop(mode)
        told.append(attempt.stop_mode)

    assert told == ["epoch", "epoch", "step", "step", "now", "now"]
    assert [path.name for path in tmp_path.iterdir()] == ["stop"]


@pytest.mark.parametrize("content", [b"", b"please", b"\xff\xfe", b"step\n"])
def test_a_stop_file_that_somebody_else_made_means_after_this_step(tmp_path, content):
    Attempt(tmp_path).stop.write_bytes(content)

    assert Attempt(tmp_path).stop_mode == "step"


def test_the_words_of_the_stop_file_are_those_of_the_queue():
    assert [mode.value for mode in Stop] == list(URGENCY)
