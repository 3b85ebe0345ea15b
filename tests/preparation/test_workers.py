from __future__ import annotations

import threading

import pytest

from train_tools.preparation.workers import in_order, workers_here


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_the_order_of_what_they_were_made_of(workers):
    assert list(in_order(lambda number: number * 2, range(50), workers)) == list(range(0, 100, 2))


def test_several_work_at_once():
    meeting = threading.Barrier(3, timeout=30)
    assert len(list(in_order(lambda _: meeting.wait(), range(3), 3))) == 3


def test_whoever_stops_asking_stops_the_work():
    begun = []
    results = in_order(begun.append, range(1000), 2)
    next(results)
    results.close()
    assert len(begun) < 10


def test_an_error_comes_where_its_result_would_have_come():
    results = in_order(lambda number: 1 / (number - 2), range(5), 2)
    assert [next(results), next(results)] == [-0.5, -1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_there_is_at_least_one_worker():
    assert 1 <= workers_here() <= 8
