from __future__ import annotations

import pytest

from sd_contract.attempt import Attempt, Result, write_result
from tests.runs.records import record
from train_tools.model.paths import AttemptPaths, RunPaths, VersionPaths
from train_tools.runs.record import write_record
from train_tools.runs.rescan import finished_runs


def attempt_of(run: RunPaths, number: int) -> Attempt:
    folder = AttemptPaths.of(run.folder, number).folder
    folder.mkdir(parents=True)
    return Attempt(folder)


def ended(version: VersionPaths, name: str, *outcomes: str | None) -> RunPaths:
    """A run whose attempts ended so; None = it never said how."""
    run = version.run(name)
    write_record(run, record(name))
    for number, outcome in enumerate(outcomes, start=1):
        attempt = attempt_of(run, number)
        if outcome is not None:
            write_result(attempt, Result(outcome=outcome, step=1, total_steps=1, message=f"attempt {number}"))
    return run


def test_finished_runs_are_found_by_what_their_newest_attempt_said(version):
    ended(version, "a", "failed", "done")
    ended(version, "b", "cancelled")
    ended(version, "c", None)
    ended(version, "d")
    found = {entry.record.run.name: (entry.outcome, entry.message) for entry in finished_runs(version)}
    assert found == {"a": ("done", "attempt 2"), "b": ("cancelled", "attempt 1")}


def test_an_attempt_that_was_cut_off_leaves_the_word_to_the_one_before(version):
    ended(version, "a", "cancelled", None)
    assert [entry.outcome for entry in finished_runs(version)] == ["cancelled"]


def test_the_end_is_dated_by_the_result(version):
    run = ended(version, "a", "done")
    result = Attempt(AttemptPaths.of(run.folder, 1).folder).result
    assert [entry.ended_at for entry in finished_runs(version)] == [result.stat().st_mtime]


@pytest.mark.parametrize(
    "text", ["", "[]", '{"outcome": "queued", "step": 1, "total_steps": 1}', '{"outcome": 3}']
)
def test_a_result_that_is_none_is_passed_over(version, text):
    run = ended(version, "a", None)
    Attempt(AttemptPaths.of(run.folder, 1).folder).result.write_text(text)
    assert list(finished_runs(version)) == []


def test_folders_without_a_readable_record_are_passed_over(version):
    ended(version, "a", "done")
    ended(version, "b", "done").record.write_text("format = 1\nname =")
    (version.trains / "of S1").mkdir()
    assert [entry.record.run.name for entry in finished_runs(version)] == ["a"]


def test_a_version_without_runs_has_none(version):
    assert list(finished_runs(version)) == []
