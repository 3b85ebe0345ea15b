from __future__ import annotations

import pytest

from train_tools.datasets.repeats import shares, solved
from train_tools.errors import DatasetNotUsableError


def test_twenty_images_ten_times_are_two_hundred_steps_an_epoch():
    schedule = solved(20, repeats=10, steps=2000)
    assert (schedule.steps_per_epoch, schedule.epochs, schedule.steps) == (200, 10, 2000)
    assert (schedule.steps_per_image, schedule.amount, schedule.steps_per_concept) == (100, "inside", 2000)


def test_any_two_give_the_third():
    assert solved(20, repeats=10, epochs=10).steps == 2000
    assert solved(20, steps=2000, epochs=10).repeats == 10
    assert solved(20, steps=2000, repeats=10).epochs == 10
    assert solved(20, steps=1000, repeats=10, batch=2).epochs == 10
    assert solved(20, steps=1000, epochs=10, batch=2).repeats == 10


def test_where_none_is_exact_the_nearest_is_taken_and_its_steps_are_told():
    schedule = solved(7, steps=1000, repeats=3, batch=2)
    assert (schedule.steps_per_epoch, schedule.epochs, schedule.steps) == (11, 91, 1001)
    assert solved(500, steps=10, repeats=1).epochs == 1


@pytest.mark.parametrize(("epochs", "amount"), [(9, "below"), (10, "inside"), (20, "inside"), (21, "above")])
def test_a_hundred_to_two_hundred_steps_an_image_are_advised(epochs, amount):
    assert solved(20, repeats=10, epochs=epochs).amount == amount


def test_steps_count_for_each_concept():
    assert solved(20, repeats=10, epochs=10, concepts=2).steps_per_concept == 1000


@pytest.mark.parametrize(
    "given", [{}, {"steps": 5}, {"steps": 5, "repeats": 1, "epochs": 5}, {"steps": 0, "repeats": 1}]
)
def test_what_cannot_be_solved_is_told(given):
    with pytest.raises(DatasetNotUsableError, match=r"two of steps|steps = 0"):
        solved(20, **given)


def test_without_images_there_is_nothing_to_solve():
    with pytest.raises(DatasetNotUsableError, match="images = 0"):
        solved(0, repeats=1, epochs=1)


def test_two_images_twenty_times_and_one_ten_times_share_four_to_one():
    assert shares([(2, 20), (1, 10)]) == (0.8, 0.2)
    assert shares([]) == ()
    assert shares([(0, 20), (0, 1)]) == (0.0, 0.0)
