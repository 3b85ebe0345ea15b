from __future__ import annotations

import json

import pytest
from PIL import Image

from train_tools.errors import DatasetNotUsableError
from train_tools.imports.intake import import_images
from train_tools.imports.reports import by_reason
from train_tools.model.dataset import Rejected


def test_what_was_left_out_is_kept_in_the_version_by_reason(version, source, picture):
    picture(source / "good.png")
    for number in range(30):
        (source / f"{number}.psd").write_bytes(b"?")
    (source / "empty.png").write_bytes(b"")
    report = import_images(version, [source])
    kept = json.loads(report.file.read_text(encoding="utf-8"))
    assert report.file.parent == version.imports
    assert (kept["format"], kept["images"], kept["sources"]) == (1, 1, [str(source)])
    assert [len(group) for group in kept["left_out"].values()] == [30, 1]
    assert kept["left_out"]["it is empty"] == [
        {"source": str(source / "empty.png"), "reason": "it is empty (0 bytes)"}
    ]


def test_each_import_has_a_report_of_its_own(version, source, picture):
    picture(source / "a.png")
    files = {import_images(version, [source]).file for _ in range(3)}
    assert len(files) == 3
    assert files == set(version.imports.glob("*.json"))


def test_an_import_of_nothing_is_reported_too(version, source):
    (source / "a.png").write_bytes(b"<html>")
    with pytest.raises(DatasetNotUsableError):
        import_images(version, [source])
    (file,) = version.imports.glob("*.json")
    assert "it is not a picture, or one of a format that can't be read" in file.read_text(encoding="utf-8")


def test_a_picture_that_looks_like_an_original_is_taken_and_reported(version, source, photographs):
    picture = Image.open(photographs[0]).convert("RGB")
    picture.save(source / "a.png")
    picture.resize((picture.width // 2, picture.height // 2)).save(source / "b small.jpg")
    Image.open(photographs[2]).convert("RGB").save(source / "c.png")
    report = import_images(version, [source])
    (near,) = report.near_duplicates
    assert (near.source, near.like) == (str(source / "b small.jpg"), "a.png")
    assert near.distance <= 10
    assert report.images == 3
    picture.convert("L").save(source / "later.png")
    again = import_images(version, [source])
    assert [each.source for each in again.near_duplicates] == [str(source / "later.png")]


def test_that_only_the_first_frame_of_an_animation_counts_is_remarked(version, source, picture):
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "green", "blue")]
    for suffix in ("gif", "webp", "png", "tif"):
        frames[0].save(source / f"{suffix}.{suffix}", save_all=True, append_images=frames[1:])
    picture(source / "still.gif")
    report = import_images(version, [source])
    assert report.images == 5
    assert {each.source.rpartition("/")[2]: each.reason for each in report.remarks} == {
        f"{suffix}.{suffix}": "only the first of its frames counts: there are 3"
        for suffix in ("gif", "webp", "png", "tif")
    }


def test_reasons_are_grouped_by_what_they_have_in_common():
    reasons = ["it is broken or incomplete (a)", "it is broken or incomplete (b)", "it can't be read: x"]
    grouped = by_reason([Rejected(source=str(n), reason=reason) for n, reason in enumerate(reasons)])
    assert {name: len(group) for name, group in grouped.items()} == {
        "it is broken or incomplete": 2,
        "it can't be read": 1,
    }
    assert Rejected(source="a.png", reason="it is empty (0 bytes)").gist == "it is empty"
