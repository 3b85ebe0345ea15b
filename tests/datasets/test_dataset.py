from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sd_contract.datasets import Dataset as EngineDataset
from sd_contract.datasets import Subset, collect
from train_tools.datasets.dataset import read_dataset, regularisation_folder
from train_tools.model.paths import VersionPaths


@pytest.fixture
def made(version, picture):
    """A version with two folders, as in S4-10."""
    for folder, names in (("20_cat", "ab"), ("10_my_dog", "c")):
        for name in names:
            picture(version.processed / folder / f"{name}.png")
    (version.processed / "20_cat" / "a.txt").write_text("a cat\n", encoding="utf-8")
    return version


def reasons(dataset):
    return {Path(problem.source).name: problem.reason for problem in dataset.problems}


def test_a_version_without_pictures_has_an_empty_dataset(version):
    dataset = read_dataset(version)
    assert (dataset.folders, dataset.regularisation, dataset.problems, dataset.image_count) == ((), (), (), 0)


def test_folders_say_repeats_and_class_whoever_made_them(made):
    dataset = read_dataset(made)
    assert [(f.repeats, f.class_name, len(f.images)) for f in dataset.folders] == [
        (10, "my_dog", 1),
        (20, "cat", 2),
    ]
    assert (dataset.image_count, dataset.images_per_epoch) == (3, 50)
    assert [image.caption for image in dataset.folders[1].images] == ["a cat", ""]


def test_it_holds_the_images_that_the_engine_would_train_on(made, picture):
    picture(made.processed / "20_cat" / "D.JPG", format="JPEG")
    picture(made.processed / "20_cat" / ".hidden.png")
    for folder in read_dataset(made).folders:
        subset = Subset(image_dir=folder.path, class_tokens=folder.class_name, caption_extension=".txt")
        engine = collect(EngineDataset(resolution=(64, 64), batch_size=1, subsets=(subset,)))
        assert [item.image for item in engine.items] == [image.path for image in folder.images]
        assert [item.caption for item in engine.items] == [
            image.caption or folder.class_name for image in folder.images
        ]


def test_what_is_not_trained_on_is_reported(made, picture, tmp_path):
    picture(made.processed / "loose.png")
    picture(made.processed / "cats" / "a.png")
    picture(made.processed / "0_cat" / "a.png")
    picture(made.processed / "20_cat" / "a.gif")
    picture(made.processed / "20_cat" / "deeper" / "a.png")
    picture(made.processed / "20_cat" / "bad.png").with_suffix(".txt").write_bytes(b"\xff\xff\xff")
    (made.processed / "3_empty").mkdir()
    (made.processed / "9_link").symlink_to(tmp_path)
    told = reasons(read_dataset(made))
    assert told.keys() == {"loose.png", "cats", "0_cat", "a.gif", "deeper", "bad.png", "3_empty", "9_link"}
    assert "<repeats>_<class>" in told["cats"]
    assert read_dataset(made).image_count == 3


def test_regularisation_counts_only_for_a_class_that_is_trained(made, picture):
    made.regularisation.mkdir()
    assert read_dataset(made).regularisation == ()
    picture(regularisation_folder(made, "cat", repeats=2) / "r.png")
    picture(made.regularisation / "1_lion" / "r.png")
    picture(made.regularisation / "loose.png")
    (made.regularisation / "4_cat").mkdir()
    dataset = read_dataset(made)
    assert [folder.path.name for folder in dataset.regularisation] == ["2_cat"]
    assert reasons(dataset).keys() == {"1_lion", "loose.png", "4_cat"}
    assert "call it 1_cat or 1_my_dog" in reasons(dataset)["1_lion"]


def test_a_copy_has_the_same_content_wherever_it_lies(made, tmp_path):
    shutil.copytree(made.folder, tmp_path / "elsewhere")
    assert read_dataset(VersionPaths(tmp_path / "elsewhere")).content == read_dataset(made).content


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "a.txt").write_text("another"),
        lambda folder: (folder / "a.txt").unlink(),
        lambda folder: (folder / "b.txt").write_text(""),
        lambda folder: (folder / "b.png").write_bytes((folder / "a.png").read_bytes()),
        lambda folder: (folder / "b.png").rename(folder / "z.png"),
        lambda folder: (folder / "b.png").unlink(),
        lambda folder: folder.rename(folder.with_name("21_cat")),
        lambda folder: folder.rename(folder.with_name("20_lion")),
        lambda folder: shutil.copytree(folder, folder.parents[1] / "reg" / "1_cat"),
    ],
)
def test_each_change_that_a_run_would_see_changes_the_content(made, change):
    before = read_dataset(made).content
    change(made.processed / "20_cat")
    assert read_dataset(made).content != before


def test_what_a_run_would_not_see_leaves_the_content_alone(made):
    before = read_dataset(made).content
    (made.processed / "20_cat" / "a.txt").write_text("  a cat  ")
    (made.processed / "20_cat" / "a.npz").write_bytes(b"a cache")
    (made.processed / "20_cat" / "a.png").touch()
    (made.processed / "notes.md").write_text("x")
    assert read_dataset(made).content == before
