"""Putting aside and taking back: nothing is ever deleted."""

from __future__ import annotations

import pytest
from PIL import Image

from tests.checks.conftest import PROJECT, VERSION, photograph
from train_tools.errors import ChangedMeanwhileError, NotFoundError
from train_tools.model.checks import Cure, CureKind


def put_aside(desk, *images):
    cure = Cure(kind=CureKind.PUT_ASIDE, arguments={"images": list(images)})
    return desk.app.checks.apply(PROJECT, VERSION, cure)


def test_what_is_put_aside_is_trained_no_more_and_comes_back_as_it_was(desk):
    desk.put_many(3)
    desk.paths.masks.mkdir()
    Image.new("L", (8, 8)).save(desk.paths.masks / "1.png")
    before = desk.files()
    record = put_aside(desk, "10_cat/1.png")
    assert record.what == "put 1 image aside"
    assert desk.files() == before - {"processed/10_cat/1.png", "processed/10_cat/1.txt", "masks/1.png"} | {
        "put-aside/1/processed/10_cat/1.png",
        "put-aside/1/processed/10_cat/1.txt",
        "put-aside/1/masks/1.png",
    }
    assert desk.undo().undone
    assert desk.files() == before
    with pytest.raises(NotFoundError, match="no cure to undo"):
        desk.undo()


def test_an_original_of_which_nothing_is_left_goes_along_and_is_not_prepared_again(desk, tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("tom", "it's ✓ kit"):
        photograph(len(name)).save(tmp_path / "in" / f"{name}.png")
        (tmp_path / "in" / f"{name}.txt").write_text(name, encoding="utf-8")
    desk.app.versions.import_images(PROJECT, VERSION, [tmp_path / "in"])
    desk.app.versions.prepare(PROJECT, VERSION)
    [folder] = desk.paths.processed.iterdir()
    images = [f"{folder.name}/{path.name}" for path in folder.glob("*.png") if "kit" in path.name]
    assert len(images) == 2  # a mirrored copy of each
    before = desk.files()
    put_aside(desk, images[0])
    assert len(list(desk.paths.origin.glob("*.png"))) == 2
    desk.undo()
    put_aside(desk, *images)
    desk.app.versions.prepare(PROJECT, VERSION)
    assert [path.name for path in desk.paths.origin.glob("*.png")] == ["tom.png"]
    assert all("kit" not in name for name in desk.files() if name.startswith("processed"))
    desk.undo()
    assert {name for name in before if name.startswith("origin")} <= desk.files()


def test_what_has_taken_the_place_meanwhile_is_not_overwritten(desk):
    desk.put_many(3)
    put_aside(desk, "10_cat/1.png")
    desk.put("10_cat/1.png", photograph(50))
    with pytest.raises(ChangedMeanwhileError, match="is there again"):
        desk.undo()
    assert (desk.paths.put_aside / "1/processed/10_cat/1.png").is_file()


def test_a_cure_that_was_killed_halfway_is_undone_like_a_whole_one(desk):
    desk.put_many(2)
    before = desk.files()
    put_aside(desk, "10_cat/1.png")
    aside = desk.paths.put_aside / "1/processed/10_cat"
    (aside / "1.txt").rename(desk.paths.processed / "10_cat/1.txt")  # as if it had not been moved yet
    desk.undo()
    assert desk.files() == before


@pytest.mark.parametrize(
    "image", ["10_cat/none.png", "../origin/x.png", "10_cat/../../origin/x.png", "10_cat\\1.png", "origin", ""]
)
def test_only_training_images_are_put_aside(desk, image):
    desk.put_many(2)
    desk.paths.origin.mkdir(parents=True, exist_ok=True)
    photograph(1).save(desk.paths.origin / "x.png")
    before = desk.files()
    with pytest.raises(NotFoundError):
        put_aside(desk, image)
    assert desk.files() == before


def test_cures_are_listed_and_undone_by_number(desk):
    desk.put_many(4)
    put_aside(desk, "10_cat/1.png")
    put_aside(desk, "10_cat/2.png", "10_cat/3.png")
    desk.app.checks.undo(PROJECT, VERSION, 1)
    assert [(record.number, record.undone) for record in desk.app.checks.cures(PROJECT, VERSION)] == [
        (1, True),
        (2, False),
    ]
    with pytest.raises(NotFoundError, match="no cure 7"):
        desk.app.checks.cure(PROJECT, VERSION, 7)
