from __future__ import annotations

import pytest

from train_tools.captions.edits import convert, edit, preview, write_one
from train_tools.captions.journal import Journal
from train_tools.captions.operations import Add, Remove, Write
from train_tools.errors import ChangedMeanwhileError, DatasetNotUsableError, NotFoundError, OptionValueError
from train_tools.model.captions import NO_FILE


def test_one_caption_is_written_by_whoever_saw_it_last(version, put, listed):
    text = put("10_cat/a.png", "cat")
    (seen,) = listed()
    first = write_one(version, "10_cat/a.png", "cat, red", seen.edition)
    assert (text.read_bytes(), first.caption) == (b"cat, red\n", "cat, red")
    with pytest.raises(ChangedMeanwhileError, match="It is now: 'cat, red'"):
        write_one(version, "10_cat/a.png", "cat, blue", seen.edition)
    assert text.read_bytes() == b"cat, red\n"
    write_one(version, "10_cat/a.png", "cat, blue", first.edition)
    assert text.read_bytes() == b"cat, blue\n"


def test_a_caption_saved_by_another_program_is_not_overwritten(version, put, listed):
    text = put("10_cat/a.png", "cat")
    (seen,) = listed()
    text.write_text("theirs")
    with pytest.raises(ChangedMeanwhileError):
        write_one(version, "10_cat/a.png", "mine", seen.edition)
    text.unlink()
    with pytest.raises(ChangedMeanwhileError):
        write_one(version, "10_cat/a.png", "mine", seen.edition)
    assert write_one(version, "10_cat/a.png", "mine", NO_FILE).caption == "mine"


def test_an_empty_caption_has_no_file(version, put, listed):
    text = put("10_cat/a.png", "cat")
    gone = write_one(version, "10_cat/a.png", "  ", listed()[0].edition)
    assert (text.exists(), gone.edition, gone.effective) == (False, NO_FILE, "cat")


def test_only_images_have_captions(version, put):
    put("10_cat/a.png", "cat")
    with pytest.raises(NotFoundError):
        write_one(version, "10_cat/b.png", "x", NO_FILE)


@pytest.mark.parametrize("caption", ["\ud800", "a\0b", "x" * 20_001])
def test_a_caption_is_text(version, put, caption):
    put("10_cat/a.png")
    with pytest.raises(OptionValueError):
        write_one(version, "10_cat/a.png", caption, NO_FILE)


def test_many_captions_are_edited_and_named(version, put, listed, captions):
    for name, text in (("a", "cat, red"), ("b", "dog"), ("c", None)):
        put(f"10_cat/{name}.png", text)
    shown = preview(listed(), Add(tags=("dog",)))
    outcome = edit(version, listed(), Add(tags=("dog",)))
    assert captions() == {"10_cat/a.png": "cat, red, dog", "10_cat/b.png": "dog", "10_cat/c.png": "dog"}
    assert [each.image for each in shown] == list(outcome.images) == ["10_cat/a.png", "10_cat/c.png"]
    assert (outcome.changed, outcome.record.what) == (2, "add dog at the end")


def test_an_edit_that_changes_nothing_leaves_no_trace(version, put, listed):
    text = put("10_cat/a.png", "cat ,dog")
    outcome = edit(version, listed(), Remove(tags=("bird",)))
    assert (outcome.record, outcome.changed, text.read_text()) == (None, 0, "cat ,dog")
    assert Journal(version).records() == ()


def test_what_was_saved_since_it_was_listed_is_left(version, put, listed):
    text = put("10_cat/a.png", "cat")
    seen = listed()
    text.write_text("theirs")
    outcome = edit(version, seen, Write(text="mine"))
    assert (outcome.left, outcome.changed, text.read_text()) == (("10_cat/a.png",), 0, "theirs")


def test_images_of_one_name_share_a_caption_which_is_edited_once(version, put, listed):
    text = put("10_cat/a.png", "cat")
    put("10_cat/a.jpg")
    edit(version, listed(), Add(tags=("x",)))
    assert text.read_text() == "cat, x\n"


def test_captions_of_an_old_encoding_are_left_until_somebody_says_which(version, put, listed, captions):
    raw = "女の子, 長い髪".encode("shift_jis")
    text = put("10_cat/a.png", raw)
    put("10_cat/b.png", "猫".encode("utf-16"))
    edit(version, listed(), Add(tags=("x",)))
    assert text.read_bytes() == raw
    with pytest.raises(DatasetNotUsableError, match="There is no encoding 'klingon'"):
        convert(version, listed(), "klingon")
    with pytest.raises(DatasetNotUsableError, match="is not ascii text either"):
        convert(version, listed(), "ascii")
    assert convert(version, listed(), "shift-jis").changed == 1
    assert captions() == {"10_cat/a.png": "女の子, 長い髪", "10_cat/b.png": "猫, x"}
    Journal(version).undo()
    assert text.read_bytes() == raw
