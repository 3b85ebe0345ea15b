from __future__ import annotations

from train_tools.datasets.origin import concepts, originals


def test_originals_are_ordered_by_name_whatever_the_case(version, picture):
    for name in ("b.png", "A.png", "c.PNG", "a2.png"):
        picture(version.origin / name, format="PNG")
    (version.origin / "preload").mkdir()
    assert [path.name for path in originals(version)] == ["A.png", "a2.png", "b.png", "c.PNG"]


def test_originals_are_told_apart_by_what_they_show(version, picture):
    for place in ("b.png", "10_cat/a.png", "3_big_dog/c.png", "3_big_dog/deep/d.png", "notes/e.png", "0_x/f.png"):
        picture(version.origin / place)
    (version.origin / "5_empty").mkdir()
    found = [(each.repeats, each.class_name, [path.name for path in each.pictures]) for each in concepts(version)]
    assert found == [(None, None, ["b.png"]), (10, "cat", ["a.png"]), (3, "big_dog", ["c.png"])]
    assert [path.name for path in originals(version)] == ["b.png", "a.png", "c.png"]


def test_a_version_without_originals_has_no_concepts(version):
    assert concepts(version) == ()
