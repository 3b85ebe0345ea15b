from __future__ import annotations

import json

import pytest

from train_tools.imports.intake import import_images


def captions(version):
    return {path.stem: path.read_text().strip() for path in version.origin.glob("*.txt")}


def reasons(report):
    return {each.source.rpartition("/")[2]: each.reason for each in report.rejected}


def test_kohyas_metadata_are_captions_then_tags(version, source, picture):
    for name in "abcde":
        picture(source / f"{name}.png", size=(32 + ord(name) % 8, 32))
    table = {
        str(source / "a.png"): {"caption": "a cat", "tags": "grey, sitting", "train_resolution": [512, 512]},
        "b": {"tags": "1cat"},
        "c.png": {"caption": "only a caption"},
        "d": {"train_resolution": [512, 512]},
        "elsewhere/x.png": {"caption": "of none"},
    }
    (source / "meta_cap.json").write_text(json.dumps(table))
    report = import_images(version, [source])
    assert captions(version) == {"a": "a cat, grey, sitting", "b": "1cat", "c": "only a caption"}
    assert reasons(report) == {"meta_cap.json": "1 of its captions are of no picture that was found"}


@pytest.mark.parametrize(
    "row",
    [
        {"image_path": "C:\\pictures\\a.png", "caption": "a cat"},
        {"file_name": "a.png", "text": "a cat"},
        {"file_name": "sub/../a.png", "tags": ["a cat"]},
    ],
)
def test_json_lines_hold_one_picture_each(version, source, picture, row):
    picture(source / "a.png")
    (source / "metadata.jsonl").write_text(f"\n{json.dumps(row)}\n\n")
    import_images(version, [source])
    assert captions(version) == {"a": "a cat"}


def test_a_caption_beside_the_picture_beats_metadata(version, source, picture):
    picture(source / "a.png")
    (source / "a.caption").write_text("beside")
    (source / "meta.json").write_text('{"a": {"caption": "in json"}}')
    import_images(version, [source])
    assert captions(version) == {"a": "beside"}


def test_names_below_the_file_are_told_apart_by_their_paths(version, source, picture):
    picture(source / "one" / "a.png", size=(40, 40))
    picture(source / "two" / "a.png", size=(50, 50))
    table = {"one/a.png": {"caption": "first"}, "two/a": {"caption": "second"}, "a": {"caption": "either"}}
    (source / "meta.json").write_text(json.dumps(table))
    report = import_images(version, [source])
    assert captions(version) == {"a": "first", "a-2": "second"}
    assert "1 of its captions" in reasons(report)["meta.json"]


def test_metadata_of_another_folder_are_not_taken_unless_chosen(version, source, picture):
    picture(source / "pictures" / "a.png")
    (source / "other").mkdir()
    (source / "other" / "meta.json").write_text('{"a": {"caption": "a cat"}}')
    import_images(version, [source])
    assert captions(version) == {}
    import_images(version, [source / "pictures", source / "other" / "meta.json"])
    assert captions(version) == {"a": "a cat"}


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", "{}", '"text"', '{"lr": 1, "name": {"x": 2}}', "[" * 9999])
def test_json_that_holds_no_captions_is_listed(version, source, picture, content):
    picture(source / "a.png")
    (source / "settings.json").write_text(content)
    report = import_images(version, [source])
    assert report.images == 1
    assert "it" in reasons(report)["settings.json"]
