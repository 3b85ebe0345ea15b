"""Blind votes: kept a line each, counted by content, with the interval that Wilson gave."""

from __future__ import annotations

import pytest

from train_tools.model.score import Preference
from train_tools.scoring.votes import Tally, Vote, add_vote, least_compared, tally, votes_in

A, B, C = "aa" * 32, "bb" * 32, "cc" * 32


def vote(first: str, second: str, preference: Preference) -> Vote:
    return Vote(first=first, second=second, preference=preference, pictures=("1", "2"))


def test_votes_are_read_as_they_were_kept_and_a_torn_line_is_none(tmp_path):
    file = tmp_path / "votes.jsonl"
    given = [vote(A, B, Preference.FIRST), vote(B, C, Preference.NEITHER)]
    for each in given:
        add_vote(file, each)
    with file.open("a") as lines:
        lines.write('{"format": 1, "first"')
    assert list(votes_in(file)) == given
    assert votes_in(tmp_path / "none") == ()


def test_a_tie_is_half_a_win_for_either():
    votes = [vote(A, B, Preference.FIRST), vote(C, A, Preference.FIRST), vote(A, B, Preference.NEITHER)]
    assert tally(votes, A) == Tally(wins=1.5, votes=3)
    assert tally(votes, B) == Tally(wins=0.5, votes=2)
    assert tally(votes, "other") == Tally()


@pytest.mark.parametrize(
    ("wins", "votes", "low", "high"),
    [(1, 1, 0.207, 1.0), (8, 10, 0.490, 0.943), (0, 10, 0.0, 0.278), (0, 0, 0.0, 1.0)],
)
def test_wilsons_interval(wins, votes, low, high):
    """Figures from the formula as printed."""
    assert Tally(wins=wins, votes=votes).interval == (pytest.approx(low, abs=1e-3), pytest.approx(high, abs=1e-3))


def test_those_come_first_that_were_compared_least():
    votes = [vote(A, B, Preference.FIRST), vote(C, A, Preference.FIRST), vote(A, B, Preference.SECOND)]
    pairs = [set(pair) for pair in least_compared([A, B, C, A], votes)]
    assert pairs == [{B, C}, {A, C}, {A, B}]


def test_which_stands_first_changes_from_vote_to_vote():
    (first,), (second,) = (list(least_compared([A, B], [vote(A, B, Preference.FIRST)] * n)) for n in (0, 1))
    assert first == tuple(reversed(second))
