from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.engines.conformance import draw_folder
from train_tools.datasets.dataset import read_dataset
from train_tools.datasets.manifests import files_of, keep_manifest, read_manifest
from train_tools.datasets.variants import variant
from train_tools.errors import StorageError
from train_tools.model.dataset import CaptionPolicy
from train_tools.model.paths import VersionPaths


@pytest.fixture
def drawn(tmp_path: Path) -> VersionPaths:
    """A version with images of two classes, some without captions, and regularisation."""
    version = VersionPaths(tmp_path / "it's [a] проект" / "versions" / "v 1")
    draw_folder(version.processed / "2_zorb", 2)
    draw_folder(version.processed / "1_red circle", 1, captions=False)
    draw_folder(version.regularisation / "1_zorb", 1, captions=False)
    return version


def test_each_file_is_listed_with_its_hash_and_what_the_trainer_sees(drawn):
    dataset = read_dataset(drawn)
    name = keep_manifest(drawn, dataset)
    assert name == f"dataset/manifests/{dataset.content[:12]}.json"
    found = read_manifest(drawn, dataset.content)
    assert list(found) == [
        "processed/1_red circle/00000 кот.png",
        "processed/2_zorb/00000 кот.png",
        "processed/2_zorb/00001 кот.png",
        "reg/1_zorb/00000 кот.png",
    ]
    first = found["processed/2_zorb/00000 кот.png"]
    picture = drawn.processed / "2_zorb" / "00000 кот.png"
    assert first.sha256 == hashlib.sha256(picture.read_bytes()).hexdigest()
    assert (first.caption, first.repeats, first.regularises) == ("a zorb, number 0", 2, False)
    assert found["processed/1_red circle/00000 кот.png"].caption is None
    assert found["reg/1_zorb/00000 кот.png"].regularises


def test_the_same_content_is_kept_once_and_another_beside_it(drawn):
    keep_manifest(drawn, read_dataset(drawn))
    first = {path: path.stat().st_mtime_ns for path in (drawn.folder / "dataset" / "manifests").iterdir()}
    keep_manifest(drawn, read_dataset(drawn))
    assert {path: path.stat().st_mtime_ns for path in first} == first
    (drawn.processed / "2_zorb" / "00000 кот.txt").write_text("another caption", encoding="utf-8")
    keep_manifest(drawn, read_dataset(drawn))
    assert len(list((drawn.folder / "dataset" / "manifests").iterdir())) == 2


def test_a_variant_is_listed_as_it_is_seen(drawn):
    dataset = variant(read_dataset(drawn), repeats=7, captions=CaptionPolicy.CLASS_FIRST)
    keep_manifest(drawn, dataset)
    seen = read_manifest(drawn, dataset.content)["processed/2_zorb/00001 кот.png"]
    assert (seen.repeats, seen.caption) == (7, "zorb, a zorb, number 1")


def test_lists_of_files_are_no_part_of_the_dataset(drawn):
    before = read_dataset(drawn)
    keep_manifest(drawn, before)
    assert read_dataset(drawn) == before
    assert len(list(files_of(before))) == 4


def test_what_was_never_listed_is_not_known(drawn):
    assert read_manifest(drawn, "0" * 64) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is not a whole list"),
        ("[]", "is not a whole list"),
        ('{"format": 1, "files": [{"path": "x"}]}', "is not a whole list"),
        ('{"format": 9, "files": []}', "written by a newer Train Tools"),
    ],
)
def test_a_damaged_or_newer_list_is_told(drawn, text, told):
    dataset = read_dataset(drawn)
    keep_manifest(drawn, dataset)
    drawn.manifest(dataset.content).write_text(text, encoding="utf-8")
    with pytest.raises(StorageError, match=told):
        read_manifest(drawn, dataset.content)


def test_a_list_says_its_format_and_content(drawn):
    dataset = read_dataset(drawn)
    keep_manifest(drawn, dataset)
    table = json.loads(drawn.manifest(dataset.content).read_text(encoding="utf-8"))
    assert (table["format"], table["content"]) == (1, dataset.content)
