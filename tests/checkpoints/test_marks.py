from __future__ import annotations

from dataclasses import replace

import pytest

from train_tools.checkpoints.marks import change_marks, marks_of, paths_of
from train_tools.errors import OptionValueError, StorageError
from train_tools.files import read_toml
from train_tools.model.checkpoint import Marks


def test_a_checkpoint_has_no_marks_until_it_is_given_some(train):
    assert marks_of(train("cat")) == Marks()


def test_marks_are_a_file_that_can_be_read_without_us(train):
    checkpoint = train("cat-000002")
    change_marks(checkpoint, lambda marks: replace(marks, rating=4, notes='the "best" кот\n🐈'))
    change_marks(checkpoint, lambda marks: replace(marks, pinned=True))
    table = read_toml(paths_of(checkpoint).marks)
    assert (table["rating"], table["pinned"], table["notes"]) == (4, True, 'the "best" кот\n🐈')
    assert marks_of(checkpoint).rating == 4


def test_the_rating_of_other_weights_does_not_count_but_the_pin_does(train):
    change_marks(train("cat"), lambda marks: replace(marks, rating=5, pinned=True, notes="good"))
    marks = marks_of(train("cat", weights=2.0))
    assert (marks.rating, marks.pinned, marks.notes) == (0, True, "good")


@pytest.mark.parametrize("rating", [-1, 6, 2.5, True])
def test_what_is_no_rating_is_refused(train, rating):
    with pytest.raises(OptionValueError, match="1 to 5"):
        change_marks(train("cat"), lambda marks: replace(marks, rating=rating))


def test_endless_notes_are_refused_and_the_old_ones_stay(train):
    checkpoint = train("cat")
    change_marks(checkpoint, lambda marks: replace(marks, notes="old"))
    with pytest.raises(OptionValueError, match="10,001 characters"):
        change_marks(checkpoint, lambda marks: replace(marks, notes="x" * 10_001))
    assert marks_of(checkpoint).notes == "old"


@pytest.mark.parametrize("text", ["rating = 9", 'rating = "x"', "pinned = 1", "format = 2", "rating =", "\xff"])
def test_a_file_that_cannot_be_read_is_told_with_its_name(train, text):
    checkpoint = train("cat")
    paths_of(checkpoint).folder.mkdir()
    paths_of(checkpoint).marks.write_bytes(text.encode("latin-1"))
    with pytest.raises(StorageError, match=r"marks\.toml"):
        marks_of(checkpoint)
