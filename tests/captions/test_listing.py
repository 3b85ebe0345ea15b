from __future__ import annotations

import os

import pytest

from train_tools.captions import listing
from train_tools.captions.listing import Listing, one_image
from train_tools.model.captions import NO_FILE

LONG_AGO_NS = 1_700_000_000_000_000_000


def long_ago(version):
    for file in version.processed.rglob("*"):
        os.utime(file, ns=(LONG_AGO_NS, LONG_AGO_NS))


def test_images_are_listed_with_captions_sizes_and_what_a_training_takes(put, listed):
    put("10_cat/b.png", "1girl, cat\n", size=(32, 24))
    put("10_cat/a.png")
    put("5_big dog/c.png", "\ntwo lines\nof text\n")
    put("5_big dog/d.png", "")
    told = [(image.image, image.caption, image.effective, image.size) for image in listed()]
    assert told == [
        ("10_cat/a.png", None, "cat", (16, 8)),
        ("10_cat/b.png", "1girl, cat", "1girl, cat", (32, 24)),
        ("5_big dog/c.png", "two lines\nof text", "two lines", (16, 8)),
        ("5_big dog/d.png", "", "", (16, 8)),
    ]


def test_what_is_not_trained_on_is_not_listed(version, put, listed):
    put("10_cat/a.png", "cat")
    put("no repeats/b.png", "b")
    put(".hidden/c.png", "c")
    put("10_cat/deeper/d.png", "d")
    (version.processed / "10_cat" / "note.txt").write_text("no image")
    (version.processed / "3_link").symlink_to(version.processed / "10_cat")
    assert [image.image for image in listed()] == ["10_cat/a.png"]


def test_a_version_without_a_dataset_has_no_images(listed):
    assert listed() == ()


def test_a_file_that_is_no_image_is_listed_with_the_reason(version, put, listed):
    put("10_cat/a.png", "cat")
    (version.processed / "10_cat" / "page.jpg").write_text("<html>")
    assert [(image.name, image.size, bool(image.problem)) for image in listed()] == [
        ("a.png", (16, 8), False),
        ("page.jpg", None, True),
    ]


def test_a_caption_of_an_old_encoding_is_named_with_a_proposal_and_never_guessed(put, listed):
    put("10_cat/a.png", "一个女孩, 长头发".encode("gbk"))
    (image,) = listed()
    assert (image.caption, image.is_illegible) == (None, True)
    assert "It may be gbk ('一个女孩, 长头发')" in image.problem


def test_what_another_program_saves_is_seen_at_once(version, put):
    text = put("10_cat/a.png", "cat")
    book = Listing()
    before, written = book.images(version)[0], text.stat().st_mtime_ns
    text.write_text("dog")  # as long, in the same file
    os.utime(text, ns=(written, written))  # and within the same tick of a coarse clock
    now = book.images(version)[0]
    assert (before.caption, now.caption) == ("cat", "dog")
    assert before.edition != now.edition


def test_what_has_not_changed_is_not_read_again(version, put, monkeypatch):
    kept = put("10_cat/a.png", "cat")
    put("10_cat/b.png", "dog")
    long_ago(version)
    book = Listing()
    before = book.images(version)
    read = []
    original = listing.image_size
    monkeypatch.setattr(listing, "image_size", lambda path: read.append(path) or original(path))
    assert book.images(version) == before
    kept.write_text("a new one")
    assert [image.caption for image in book.images(version)] == ["a new one", "dog"]
    assert read == []
    put("10_cat/b.png", "dog", size=(40, 40))
    assert [image.size for image in book.images(version)] == [(16, 8), (40, 40)]
    assert [path.name for path in read] == ["b.png"]


def test_images_that_went_are_forgotten(version, put):
    put("10_cat/a.png", "cat")
    book = Listing()
    book.images(version)
    (version.processed / "10_cat" / "a.png").unlink()
    assert book.images(version) == ()


@pytest.mark.parametrize(
    "image", ["10_cat/none.png", "../v1/10_cat/a.png", "10_cat/../10_cat/a.png", "10_cat/a.txt", "a.png", ""]
)
def test_only_a_training_image_is_found_by_its_name(version, put, image):
    put("10_cat/a.png", "cat")
    assert one_image(version, image) is None
    assert one_image(version, "10_cat/a.png").caption == "cat"


def test_awkward_names_are_listed(put, listed, awkward_name):
    put(f"10_{awkward_name[:100]}/{awkward_name}.png", "猫")
    assert [(image.caption, image.edition != NO_FILE) for image in listed()] == [("猫", True)]
