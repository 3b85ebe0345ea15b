from __future__ import annotations

import os

import pytest

from train_tools.captioners.ledger import Ledger, joined
from train_tools.model.captioning import ExistingCaption


@pytest.fixture
def picture(version):
    return version.origin / "кот.png"


def caption(picture):
    return picture.with_suffix(".txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("existing", "own", "caption"),
    [
        (ExistingCaption.IGNORE, "my cat", "1girl, solo"),
        (ExistingCaption.COPY, "my cat", "my cat"),
        (ExistingCaption.PREPEND, "my cat", "my cat 1girl, solo"),
        (ExistingCaption.APPEND, "my cat", "1girl, solo my cat"),
        (ExistingCaption.COPY, "", "1girl, solo"),
        (ExistingCaption.PREPEND, "", "1girl, solo"),
        (ExistingCaption.APPEND, "", "1girl, solo"),
    ],
)
def test_the_users_own_caption_is_joined_with_one_space(existing, own, caption):
    assert joined(own, "1girl, solo", existing, " ") == caption
    assert joined("a", "b", ExistingCaption.APPEND, ", ") == "b, a"


def test_what_was_written_is_not_taken_for_the_users_own(version, picture):
    picture.with_suffix(".txt").write_text("my cat\n", encoding="utf-8")
    ledger = Ledger(version)
    assert ledger.own_caption(picture) == "my cat"
    ledger.write(picture, "my cat 1girl", "my cat", "k1", "")
    assert (caption(picture), ledger.own_caption(picture)) == ("my cat 1girl\n", "my cat")
    again = Ledger(version)
    assert again.own_caption(picture) == "my cat"
    picture.with_suffix(".txt").write_text("edited", encoding="utf-8")
    assert again.own_caption(picture) == "edited"


def test_a_captioned_picture_is_known_until_it_or_the_settings_change(version, picture):
    ledger = Ledger(version)
    assert not ledger.is_written(picture, "k1", "")
    ledger.write(picture, "x", "", "k1", "r1")
    assert Ledger(version).is_written(picture, "k1", "")
    assert Ledger(version).is_written(picture, "k1", "r1")
    assert not Ledger(version).is_written(picture, "k1", "r2")
    assert not Ledger(version).is_written(picture, "k2", "")
    picture.with_suffix(".txt").write_text("edited by hand", encoding="utf-8")
    assert Ledger(version).is_written(picture, "k1", "")
    os.utime(picture, ns=(1, 1))
    assert not Ledger(version).is_written(picture, "k1", "")


def test_a_caption_that_was_deleted_is_written_again(version, picture):
    ledger = Ledger(version)
    ledger.write(picture, "x", "", "k1", "")
    picture.with_suffix(".txt").unlink()
    assert not ledger.is_written(picture, "k1", "")


def test_undoing_gives_back_what_was_there_before_the_first_captioner(version):
    cat, rose, its = (version.origin / f"{stem}.png" for stem in ("кот", "red rose_2", "it's (3)"))
    cat.with_suffix(".txt").write_text("my cat", encoding="utf-8")
    rose.with_suffix(".caption").write_text("my rose", encoding="utf-8")
    for text, key in (("first", "k1"), ("second", "k2")):
        ledger = Ledger(version)
        for picture in (cat, rose, its):
            ledger.write(picture, text, ledger.own_caption(picture), key, "")
    its.with_suffix(".txt").write_text("changed since", encoding="utf-8")
    undone = Ledger(version).undo()
    assert (undone.restored, undone.left) == (2, ("it's (3).png",))
    assert caption(cat) == "my cat\n"
    assert not rose.with_suffix(".txt").exists()
    assert Ledger(version).own_caption(rose) == "my rose"
    assert caption(its) == "changed since"
    assert Ledger(version).undo().restored == 0


def test_a_line_that_was_cut_off_counts_for_nothing(version, picture):
    ledger = Ledger(version)
    ledger.write(picture, "x", "own", "k1", "")
    with version.captioned.open("ab") as file:
        file.write(b'{"format": 1, "picture": "to')
    torn = Ledger(version)
    assert torn.own_caption(picture) == "own"
    torn.write(version.origin / "it's (3).png", "y", "", "k1", "")
    assert Ledger(version).is_written(version.origin / "it's (3).png", "k1", "")
    assert len(version.captioned.read_bytes().splitlines()) == 3


def test_a_process_killed_before_the_caption_was_written_loses_nothing(version, picture):
    picture.with_suffix(".txt").write_text("my cat", encoding="utf-8")
    Ledger(version).write(picture, "1girl", "my cat", "k1", "")
    picture.with_suffix(".txt").write_text("my cat", encoding="utf-8")  # as if it had come no further
    assert Ledger(version).own_caption(picture) == "my cat"
