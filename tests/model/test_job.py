from __future__ import annotations

import pytest

from train_tools.model.job import ALLOWED_MOVES, Job, JobState


def job(**facts: object) -> Job:
    basis = {"id": 1, "kind": "train", "title": "cat", "folder": "cat", "subject": {}, "attempt": 1, "position": 1}
    return Job(**{**basis, "state": JobState.RUNNING, **facts})


def test_every_state_has_its_moves_and_a_job_can_always_be_brought_to_an_end():
    assert set(ALLOWED_MOVES) == set(JobState)
    for state in JobState:
        assert not state.may_become(state)
        assert state.finished or any(state.may_become(end) for end in JobState if end.finished)


def test_a_state_is_active_finished_or_waiting_and_never_two_of_them():
    assert [state for state in JobState if state.active and state.finished] == []
    assert {state for state in JobState if not state.active and not state.finished} == {"queued", "paused"}


def test_only_a_claim_makes_a_job_active():
    assert {state for state in JobState if state.may_become(JobState.STARTING)} == {JobState.QUEUED}
    assert {state for state in JobState if state.may_become(JobState.RUNNING)} == {JobState.STARTING}


@pytest.mark.parametrize(("step", "total", "progress"), [(0, 0, 0.0), (0, 8, 0.0), (2, 8, 0.25), (9, 8, 1.0)])
def test_progress_is_a_share_of_one(step, total, progress):
    assert job(step=step, total_steps=total).progress == progress


def test_the_time_left_is_by_the_pace_of_the_steps_that_were_done():
    assert job(step=11, total_steps=31, steps_started_at=100.0).seconds_left(now=120.0) == 40.0


def test_steps_of_an_earlier_attempt_are_not_taken_for_this_ones_pace():
    resumed = {"total_steps": 1000, "first_step": 501, "steps_started_at": 100.0}

    assert job(step=511, **resumed).seconds_left(now=120.0) == 489 * 2.0
    assert job(step=501, **resumed).seconds_left(now=120.0) is None


@pytest.mark.parametrize(
    "facts",
    [
        {"step": 1, "steps_started_at": 1.0},
        {"step": 5, "steps_started_at": None},
        {"step": 5, "steps_started_at": 1.0, "state": JobState.QUEUED},
    ],
)
def test_no_time_is_told_before_there_is_a_pace(facts):
    assert job(total_steps=10, **facts).seconds_left(now=50.0) is None


def test_a_run_that_takes_longer_than_it_should_has_no_time_left_and_not_less():
    assert job(step=12, total_steps=10, steps_started_at=1.0).seconds_left(now=50.0) == 0.0
