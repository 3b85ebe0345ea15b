"""How much of a training is whose."""

from __future__ import annotations

from tests.checks.conftest import PROJECT, VERSION, photograph
from train_tools.model.checks import shares_of
from train_tools.model.finding import Level


def test_two_images_twenty_times_and_one_ten_times_are_four_fifths_and_one():
    [first, second] = shares_of({"20_a": (2, 20), "10_b": (1, 10)})
    assert (first.draws + second.draws, first.share, second.share) == (50, 0.8, 0.2)


def test_a_folder_that_teaches_much_more_is_told_and_levelled(desk):
    for number in range(8):
        desk.put(f"10_cat/{number}.png", photograph(number), "cat")
    desk.put("5_dog/a.png", photograph(20), "dog")
    [told] = desk.found("balance")
    assert "10_cat 94% (8 x 10)" in told.message
    desk.cure("draw 5_dog 80 times")
    assert {share.folder: share.share for share in desk.app.checks.shares(PROJECT, VERSION)} == {
        "10_cat": 0.5,
        "80_dog": 0.5,
    }
    [told] = desk.found("balance")
    assert told.level is Level.OK
    desk.undo()
    assert (desk.paths.processed / "5_dog" / "a.txt").is_file()


def test_regularisation_images_are_of_a_class_that_is_trained(desk):
    desk.put_many(2)
    folder = desk.paths.regularisation / "1_dog"
    folder.mkdir(parents=True)
    photograph(1).save(folder / "1.png")
    [told] = desk.found("regularisation")
    assert "reg/1_dog is of no class" in told.message
    folder.rename(folder.with_name("1_cat"))
    [told] = desk.found("regularisation")
    assert told.level is Level.OK


def test_more_regularisation_images_than_are_drawn_are_told(desk):
    desk.put("1_cat/a.png", photograph(1), "cat")
    folder = desk.paths.regularisation / "1_cat"
    folder.mkdir(parents=True)
    for number in range(2):
        photograph(number).save(folder / f"{number}.png")
    [told] = desk.found("regularisation")
    assert "only 1 are used" in told.message
