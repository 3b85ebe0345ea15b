from __future__ import annotations

import pytest

from train_tools.datasets.origin import concepts
from train_tools.imports.intake import import_images
from train_tools.model.paths import ProjectPaths


@pytest.fixture
def old(tmp_path, picture):
    """A project of S1: originals, training images with the captions a tag editor left, regularisation, runs."""
    project = ProjectPaths(tmp_path / "their outputs" / "projects" / "cat")
    version = project.version("v1")
    for name in ("a", "b"):
        picture(version.origin / f"{name}.png", size=(40 + ord(name) % 8, 40))
        for variant in (0, 1):
            made = picture(version.processed / "256_cat" / f"0000{'ab'.index(name)}-{variant}-{name}.png")
            made.with_suffix(".txt").write_text(f"{name}, variant {variant}\n")
    (version.origin / "b.txt").write_text("b's own")
    picture(version.regularisation / "1_cat" / "r.png")
    picture(version.trains / "some run" / "cat-000002" / "images" / "0.png")
    (version.folder / "dataset_config.json").write_text("{}")
    return project


@pytest.mark.parametrize("chosen", [".", "versions/v1", "versions/v1/dataset"])
def test_the_originals_of_a_version_come_with_the_captions_they_were_prepared_with(version, old, chosen):
    report = import_images(version, [old.folder / chosen])
    assert [(each.repeats, [path.name for path in each.pictures]) for each in concepts(version)] == [
        (None, ["a.png", "b.png"])
    ]
    assert (version.origin / "a.txt").read_text() == "a, variant 0\n"
    assert (version.origin / "b.txt").read_text() == "b's own"
    assert [path.name for path in (version.regularisation / "1_cat").iterdir()] == ["r.png"]
    told = {each.source.rpartition("/")[2]: each.reason for each in report.rejected}
    assert "made from the originals" in told.pop("processed")
    assert told == {"trains": "it is no part of the dataset"}
    assert (report.images, report.captions) == (3, 2)


def test_where_the_originals_are_gone_the_training_images_are_taken(version, old):
    for original in old.version("v1").origin.iterdir():
        original.unlink()
    import_images(version, [old.folder])
    (concept,) = concepts(version)
    assert (concept.repeats, concept.class_name, len(concept.pictures)) == (256, "cat", 4)


def test_of_several_versions_one_is_to_be_chosen(version, old, source, picture):
    picture(old.version("v2").origin / "c.png")
    report = import_images(version, [old.folder, picture(source / "x.png")])
    assert report.images == 1
    assert [each.reason for each in report.rejected] == ["it is a project of 2 versions: choose one of v1, v2"]
