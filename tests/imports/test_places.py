from __future__ import annotations

import pytest

from train_tools.datasets.dataset import read_dataset
from train_tools.datasets.origin import concepts
from train_tools.imports.intake import import_images


def groups(version):
    return {
        (concept.repeats, concept.class_name): [path.name for path in concept.pictures]
        for concept in concepts(version)
    }


def reasons(report):
    return {each.source.rpartition("/")[2]: each.reason for each in report.rejected}


def test_a_parent_of_concept_folders_keeps_repeats_and_classes_apart(version, source, picture):
    for place in ("12_foo/a.png", "16_bar_baz/b.png", "16_bar_baz/close/c.png", "loose.png"):
        picture(source / place)
    (source / "12_foo" / "a.txt").write_text("a foo")
    report = import_images(version, [source])
    assert groups(version) == {
        (None, None): ["loose.png"],
        (12, "foo"): ["a.png"],
        (16, "bar_baz"): ["b.png", "c.png"],
    }
    assert (version.origin / "12_foo" / "a.txt").read_text() == "a foo"
    assert report.folders == (("12_foo", 1), ("16_bar_baz", 2))
    assert import_images(version, [source]).images == 0


def test_a_concept_folder_given_instead_of_its_parent_is_recognised(version, source, picture):
    picture(source / "20_my cat" / "a.png")
    import_images(version, [source / "20_my cat"])
    assert groups(version) == {(20, "my cat"): ["a.png"]}


@pytest.mark.parametrize("name", ["2023_holidays", "cat", "_cat", "10cat", "0_cat", "10_", "1.5_cat", "10_ _"])
def test_other_folders_are_of_the_projects_class(version, source, picture, name):
    picture(source / name / "a.png")
    import_images(version, [source])
    assert groups(version) == {(None, None): ["a.png"]}


@pytest.mark.parametrize("reg", ["reg", "regularization_images", "Regularisation_Images", "reg_images"])
def test_kohyas_regularisation_folders_go_to_reg(version, source, picture, reg):
    picture(source / "img" / "10_cat" / "a.png")
    picture(source / reg / "1_cat" / "b.png")
    report = import_images(version, [source])
    assert groups(version) == {(10, "cat"): ["a.png"]}
    assert dict(report.folders) == {"10_cat": 1, "reg/1_cat": 1}
    picture(version.processed / "10_cat" / "a.png")
    (regularisation,) = read_dataset(version).regularisation
    assert [image.path.name for image in regularisation.images] == ["b.png"]


def test_a_regularisation_folder_may_be_chosen_by_itself(version, source, picture):
    picture(source / "reg" / "3_cat" / "b.png")
    import_images(version, [source / "reg" / "3_cat"])
    assert [path.name for path in (version.regularisation / "3_cat").iterdir()] == ["b.png"]
    assert groups(version) == {}


def test_loose_regularisation_pictures_are_of_the_only_class_there_is(version, source, picture):
    picture(source / "10_cat" / "a.png")
    picture(source / "regularization_images" / "b.png")
    assert import_images(version, [source], class_name="project").folders == (("10_cat", 1), ("reg/1_cat", 1))


def test_loose_regularisation_pictures_of_the_projects_class(version, source, picture):
    picture(source / "a.png")
    picture(source / "reg" / "b.png")
    assert import_images(version, [source], class_name="zorb").folders == (("reg/1_zorb", 1),)


def test_where_there_are_several_classes_loose_regularisation_pictures_are_left_out(version, source, picture):
    for place in ("1_cat/a.png", "1_dog/b.png", "regularization_images/c.png"):
        picture(source / place)
    report = import_images(version, [source])
    assert "put it into a folder such as reg/1_cat" in reasons(report)["c.png"]
    assert report.images == 2


def test_an_empty_regularisation_folder_is_no_trouble(version, source, picture):
    picture(source / "6_photo" / "a.png")
    (source / "regularization_images").mkdir()
    assert import_images(version, [source]).rejected == ()


def test_a_regularisation_picture_the_trainer_would_not_read_is_left_out(version, source, picture):
    picture(source / "1_cat" / "a.png")
    picture(source / "reg" / "1_cat" / "b.gif")
    assert "save it as png or jpg" in reasons(import_images(version, [source]))["b.gif"]


def test_one_picture_may_be_of_two_concepts(version, source, picture):
    content = picture(source / "1_cat" / "a.png").read_bytes()
    (source / "2_dog").mkdir()
    (source / "2_dog" / "a.png").write_bytes(content)
    report = import_images(version, [source])
    assert (report.images, report.already_there) == (2, ())
    assert [(near.like, near.distance) for near in report.near_duplicates] == [("1_cat/a.png", 0)]
