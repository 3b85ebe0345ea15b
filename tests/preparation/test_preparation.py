from __future__ import annotations

import hashlib
import io
import os
import warnings
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageOps

from train_tools.datasets.dataset import read_dataset
from train_tools.datasets.exclusive import alone_with
from train_tools.datasets.folders import automatic_repeats
from train_tools.errors import DatasetNotUsableError, InUseError, NotFoundError, StorageError
from train_tools.imports.intake import import_images
from train_tools.model.paths import VersionPaths
from train_tools.model.preparation import Crop, Preparation
from train_tools.preparation.crops import set_crop
from train_tools.preparation.preparation import prepare
from train_tools.preparation.preview import previewed
from train_tools.preparation.sheet import drawn
from train_tools.projects.template import read_demo

KEPT = ["imports", "origin", "processed"]
"""The folders of a dataset when nothing is under way."""
SMALL = Preparation(width_px=64, height_px=64, mirrored_copies=False)


def files(folder):
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.name.startswith(".")
    )


def content(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).digest() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def imported(version, source, picture):
    """A version with three originals, of which two have captions."""
    for name, caption in (("a", "a cat"), ("b", "кошка, 猫"), ("c", "")):
        picture(source / f"{name}.png")
        if caption:
            (source / f"{name}.txt").write_text(caption, encoding="utf-8")
    import_images(version, [source])
    return version


@pytest.mark.parametrize(("images", "repeats"), [(1, 512), (10, 51), (100, 5), (128, 4), (200, 4)])
def test_automatic_repeats_are_those_that_users_of_s1_got(images, repeats):
    assert automatic_repeats(images) == repeats


def test_originals_become_a_folder_of_numbered_images_with_captions(imported):
    report = prepare(imported, SMALL, "cat")
    assert files(imported.processed) == [
        "170_cat",
        "170_cat/00000-0-a.png",
        "170_cat/00000-0-a.txt",
        "170_cat/00001-0-b.png",
        "170_cat/00001-0-b.txt",
        "170_cat/00002-0-c.png",
    ]
    assert (report.originals, report.images, report.captions, report.repeats) == (3, 3, 2, 170)
    assert (report.folder / "00001-0-b.txt").read_bytes().decode("utf-8").strip() == "кошка, 猫"
    with Image.open(report.folder / "00000-0-a.png") as made:
        assert (made.size, made.mode) == ((64, 64), "RGB")


def test_mirrored_copies_count_as_images_but_not_for_repeats(imported):
    report = prepare(imported, Preparation(width_px=64, height_px=64, mirrored_copies=True), "cat")
    assert (report.originals, report.images, report.captions, report.repeats) == (3, 6, 4, 170)
    assert "00000-1-a.txt" in files(report.folder)


def test_photographs_are_prepared_and_stay_as_they_were(version, photographs):
    import_images(version, photographs)
    before = content(version.origin)
    steps = []
    report = prepare(version, SMALL, "cat", progress=lambda done, total: steps.append((done, total)))
    assert (report.images, report.skipped) == (len(photographs), ())
    assert content(version.origin) == before
    assert steps[-1] == (len(photographs), len(photographs))


def test_equal_originals_and_settings_give_equal_bytes(imported):
    first = content(prepare(imported, SMALL, "cat").folder)
    assert content(prepare(imported, SMALL, "cat").folder) == first


def test_no_profile_or_exif_comes_through(version, source):
    exif = Image.Exif()
    exif[0x010E] = "where it was taken"
    Image.new("RGB", (80, 80)).save(source / "a.jpg", exif=exif, icc_profile=b"profile", dpi=(300, 300))
    import_images(version, [source])
    with Image.open(prepare(version, SMALL, "cat").folder / "00000-0-a.png") as made:
        assert made.info == {}


def test_repeats_that_were_asked_for_are_taken(imported):
    report = prepare(imported, Preparation(width_px=64, height_px=64, repeats=7, class_name="big cat"), "cat")
    assert report.folder == imported.processed / "7_big cat"


@pytest.mark.parametrize(
    ("name", "folder"),
    [("_my_cat_", "1_my_cat"), ("a/b:c", "1_a-b-c"), ("猫 [x]", "1_猫 [x]"), ("3_cats", "1_3_cats"), ("..", None)],
)
def test_any_class_name_gives_a_folder_that_can_be_read_back(imported, name, folder):
    preparation = Preparation(width_px=64, height_px=64, repeats=1)
    if folder is None:
        with pytest.raises(DatasetNotUsableError, match="at least one letter"):
            prepare(imported, preparation, name)
    else:
        assert prepare(imported, preparation, name).folder.name == folder
        assert read_dataset(imported).folders[0].class_name == folder.removeprefix("1_")


def test_preparing_again_replaces_what_was_prepared_and_nothing_else(imported, picture):
    prepare(imported, SMALL, "cat")
    picture(imported.processed / "5_background" / "mine.png")
    (imported.origin / "c.png").unlink()
    report = prepare(imported, replace(SMALL, width_px=128, class_name="lynx"), "cat")
    assert sorted(folder.name for folder in imported.processed.iterdir()) == ["256_lynx", "5_background"]
    assert report.images == 2
    assert sorted(entry.name for entry in imported.processed.parent.iterdir()) == [
        "imports",
        "origin",
        "processed",
    ]


def test_a_folder_of_s1_is_replaced_but_its_captions_are_kept(imported, picture):
    made_by_s1 = imported.processed / "170_cat"
    picture(made_by_s1 / "00000-0-c.png")
    (made_by_s1 / "00000-0-c.txt").write_text("by its tagger")
    report = prepare(imported, SMALL, "cat")
    assert report.kept_captions == ("c.png",)
    assert (report.folder / "00002-0-c.txt").read_text().strip() == "by its tagger"


def test_captions_edited_in_processed_survive_preparations(imported):
    folder = prepare(imported, SMALL, "cat").folder
    (folder / "00000-0-a.txt").write_text("edited")
    (folder / "00001-0-b.txt").unlink()
    for _ in range(2):
        report = prepare(imported, Preparation(width_px=64, height_px=64, mirrored_copies=True), "cat")
        assert report.kept_captions == ("a.png", "b.png")
        assert (report.folder / "00000-0-a.txt").read_text().strip() == "edited"
        assert (report.folder / "00000-1-a.txt").read_text().strip() == "edited"
        assert not (report.folder / "00001-0-b.txt").exists()


def test_a_caption_changed_in_origin_counts_more_than_an_edit(imported):
    folder = prepare(imported, SMALL, "cat").folder
    (folder / "00000-0-a.txt").write_text("edited")
    (imported.origin / "a.txt").write_text("a new caption")
    report = prepare(imported, SMALL, "cat")
    assert report.kept_captions == ()
    assert (folder / "00000-0-a.txt").read_text().strip() == "a new caption"


def test_an_original_that_broke_is_listed_and_the_others_are_prepared(imported):
    (imported.origin / "b.png").write_bytes(b"broken")
    (imported.origin / "a.txt").write_bytes(b"\xff\xff\xff")
    report = prepare(imported, SMALL, "cat")
    assert [skipped.source for skipped in report.skipped] == ["a.txt", "b.png"]
    assert files(report.folder) == ["00000-0-a.png", "00001-0-c.png"]
    assert report.repeats == automatic_repeats(2)


def test_stopped_between_two_pictures_it_changes_nothing(imported):
    prepare(imported, SMALL, "cat")
    before = content(imported.folder)
    looked = iter([False, True])
    report = prepare(imported, Preparation(width_px=128, height_px=128), "cat", should_stop=lambda: next(looked))
    assert report.stopped
    assert content(imported.folder) == before
    assert sorted(entry.name for entry in imported.processed.parent.iterdir()) == [
        "imports",
        "origin",
        "processed",
    ]


def test_what_a_killed_preparation_left_is_mended_by_the_next(imported):
    folder = prepare(imported, SMALL, "cat").folder
    (folder / "00000-0-a.txt").write_text("edited")
    dataset = imported.processed.parent
    (dataset / ".1.building").mkdir()
    (dataset / ".1.aside").mkdir()
    folder.rename(dataset / ".1.aside" / folder.name)
    assert prepare(imported, SMALL, "cat").kept_captions == ("a.png",)
    assert sorted(entry.name for entry in dataset.iterdir()) == KEPT


def test_images_that_were_exchanged_before_the_kill_do_not_come_back(imported, picture):
    prepare(imported, SMALL, "cat")
    dataset = imported.processed.parent
    picture(dataset / ".1.aside" / "9_lynx" / "a.png")
    prepare(imported, SMALL, "cat")
    assert [entry.name for entry in imported.processed.iterdir()] == ["170_cat"]
    assert sorted(entry.name for entry in dataset.iterdir()) == KEPT


def test_while_one_prepares_another_neither_imports_nor_prepares(imported):
    with alone_with(imported):
        with pytest.raises(InUseError, match="already"):
            prepare(imported, SMALL, "cat")
        with pytest.raises(InUseError, match="already"):
            import_images(imported, [imported.origin])
    assert prepare(imported, SMALL, "cat").images == 3


def test_without_originals_it_says_what_to_import(version):
    with pytest.raises(DatasetNotUsableError, match=r"Import some first: png, jpg"):
        prepare(version, SMALL, "cat")
    assert not version.processed.exists()


def test_when_no_original_can_be_used_the_old_images_stay(imported):
    before = content(prepare(imported, SMALL, "cat").folder)
    for name in ("a.png", "b.png", "c.png"):
        (imported.origin / name).write_bytes(b"broken")
    with pytest.raises(DatasetNotUsableError, match=r"None of the 3 originals .*a\.png"):
        prepare(imported, SMALL, "cat")
    assert content(imported.processed) == before


def test_on_a_full_disk_the_old_images_stay(tmp_path, source, full_disk):
    Image.frombytes("RGB", (64, 64), os.urandom(12288)).save(source / "a.png")
    version = VersionPaths(tmp_path / "small disk" / "v1")
    with full_disk(tmp_path / "small disk", 150_000):
        import_images(version, [source])
        before = content(prepare(version, SMALL, "cat").folder)
        with pytest.raises(StorageError, match="processed"):
            prepare(version, Preparation(width_px=512, height_px=512), "cat")
        assert content(version.processed) == before
        assert sorted(entry.name for entry in version.processed.parent.iterdir()) == [
            "imports",
            "origin",
            "processed",
        ]


@pytest.mark.parametrize("repeats", [0, -2, 1_000_000])
def test_repeats_out_of_range_are_told(repeats):
    with pytest.raises(DatasetNotUsableError, match=f"{repeats} repeats"):
        Preparation(repeats=repeats)


def test_the_demo_becomes_a_dataset_with_a_caption_for_every_image(version):
    demo = read_demo()
    assert import_images(version, [demo.dataset]).rejected == ()
    report = prepare(version, demo.settings.preparation, demo.project)
    dataset = read_dataset(version)
    assert report.images == report.captions == dataset.image_count == 24
    assert all(demo.project in image.caption for image in dataset.folders[0].images)


@pytest.fixture
def concepts(version, picture):
    """Two pictures in origin itself, two in 20_cat, one in 10_dog."""
    for name in ("a.png", "b.png", "20_cat/a.png", "20_cat/c.png", "10_dog/a.png"):
        picture(version.origin / name)
        (version.origin / name).with_suffix(".txt").write_text(f"caption of {name}")
    return version


def test_each_concept_becomes_a_folder_of_its_own(concepts):
    report = prepare(concepts, SMALL, "zoo")
    assert sorted(folder.name for folder in concepts.processed.iterdir()) == ["10_dog", "20_cat", "256_zoo"]
    assert [(each.path.name, each.originals) for each in report.folders] == [
        ("256_zoo", 2),
        ("10_dog", 1),
        ("20_cat", 2),
    ]
    assert (report.originals, report.images, report.folder.name) == (5, 5, "256_zoo")
    assert (concepts.processed / "20_cat" / "00001-0-c.txt").read_text().strip() == "caption of 20_cat/c.png"


def test_captions_edited_in_one_concept_stay_in_it(concepts):
    prepare(concepts, SMALL, "zoo")
    (concepts.processed / "20_cat" / "00000-0-a.txt").write_text("edited")
    report = prepare(concepts, replace(SMALL, multiply=2), "zoo")
    assert report.kept_captions == ("20_cat/a.png",)
    assert (concepts.processed / "40_cat" / "00000-0-a.txt").read_text().strip() == "edited"
    assert (concepts.processed / "20_dog" / "00000-0-a.txt").read_text().strip() == "caption of 10_dog/a.png"
    assert (concepts.processed / "512_zoo" / "00000-0-a.txt").read_text().strip() == "caption of a.png"


def test_a_concept_that_went_takes_its_images_along_and_one_that_broke_keeps_them(concepts):
    prepare(concepts, SMALL, "zoo")
    (concepts.origin / "10_dog" / "a.png").unlink()
    for name in ("a", "c"):
        (concepts.origin / "20_cat" / f"{name}.png").write_bytes(b"broken")
    report = prepare(concepts, SMALL, "zoo")
    assert [skipped.source for skipped in report.skipped] == ["20_cat/a.png", "20_cat/c.png"]
    assert sorted(folder.name for folder in concepts.processed.iterdir()) == ["20_cat", "256_zoo"]
    assert len(list((concepts.processed / "20_cat").glob("*.png"))) == 2


def test_two_concepts_that_would_share_a_folder_are_told_and_nothing_changes(concepts):
    prepare(concepts, SMALL, "zoo")
    before = content(concepts.processed)
    with pytest.raises(DatasetNotUsableError, match="Two concepts would both come into 20_cat"):
        prepare(concepts, replace(SMALL, repeats=20), "cat")
    assert content(concepts.processed) == before


@pytest.mark.parametrize("moved", [0, 1, 2])
def test_killed_while_the_new_folders_arrive_all_of_them_are_there_at_the_next_start(concepts, moved):
    prepare(concepts, SMALL, "zoo")
    dataset = concepts.processed.parent
    new = sorted(concepts.processed.iterdir())
    (dataset / ".1.aside" / "9_old").mkdir(parents=True)
    (dataset / ".1.arriving").mkdir()
    for folder in new[moved:]:
        folder.rename(dataset / ".1.arriving" / folder.name)
    assert prepare(concepts, SMALL, "zoo", should_stop=lambda: True).stopped
    assert sorted(concepts.processed.iterdir()) == new
    assert sorted(entry.name for entry in dataset.iterdir()) == ["origin", "processed"]


def test_a_link_of_the_new_folders_name_is_not_touched(imported, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    imported.processed.mkdir(parents=True)
    (imported.processed / "170_cat").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="170_cat is there already"):
        prepare(imported, SMALL, "cat")
    assert (imported.processed / "170_cat").is_symlink()
    assert sorted(entry.name for entry in imported.processed.parent.iterdir()) == KEPT


EVERYTHING = replace(
    SMALL,
    focal_crop=True,
    split=True,
    split_threshold=1.0,
    auto_crop=True,
    auto_crop_threshold=0.5,
    random_copies=2,
    mirrored_copies=True,
)


def test_settings_and_originals_decide_every_byte_whatever_the_number_of_workers(version, photographs):
    import_images(version, photographs)
    originals = content(version.origin)
    made = [content(prepare(version, EVERYTHING, "cat", workers=workers).folder) for workers in (1, 2, 5)]
    assert made[0] == made[1] == made[2]
    assert len(made[0]) > 6 * 6
    assert content(version.origin) == originals


def test_all_that_can_be_wrong_with_a_picture_is_named_and_stops_no_other(version, picture, monkeypatch):
    origin = version.origin
    picture(origin / "good.png")
    picture(origin / "one.png", size=(1, 1))
    picture(origin / "cmyk.jpg", mode="CMYK")
    picture(origin / "profile.jpg", icc_profile=b"no profile")
    Image.new("I;16", (40, 30), 40000).save(origin / "deep.png")
    Image.new("P", (40, 30), 1).save(origin / "palette.gif", transparency=1)
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("#ff0000", "#0000ff")]
    frames[0].save(origin / "moving.webp", save_all=True, append_images=frames[1:])
    Image.new("1", (30_000, 20)).save(origin / "long.png")
    Image.new("1", (30_000, 30_000)).save(origin / "bomb.png")
    (origin / "page.jpg").write_text("<!doctype html><title>not found</title>")
    cut = picture(origin / "cut.jpg", size=(640, 480)).read_bytes()
    (origin / "cut.jpg").write_bytes(cut[: len(cut) // 2])
    (origin / "empty.png").write_bytes(b"")
    report = prepare(version, SMALL, "cat")
    told = {skipped.source: skipped.reason for skipped in report.skipped}
    assert sorted(told) == ["bomb.png", "cut.jpg", "empty.png", "page.jpg"]
    assert "million pixels" in told["bomb.png"]
    assert "incomplete" in told["cut.jpg"]
    assert "not a picture" in told["page.jpg"]
    assert report.originals == 8


def test_a_large_photograph_is_decoded_smaller_and_looks_the_same(version, photographs):
    with Image.open(photographs[3]) as coffee:
        large = coffee.convert("RGB").resize((4001, 2667), Image.Resampling.LANCZOS)
    version.origin.mkdir(parents=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    large.transpose(Image.Transpose.ROTATE_90).save(version.origin / "a.jpg", quality=92, exif=exif)
    folder = prepare(version, Preparation(mirrored_copies=False), "cup").folder
    with Image.open(version.origin / "a.jpg") as whole, Image.open(folder / "00000-0-a.png") as made:
        expected = ImageOps.fit(ImageOps.exif_transpose(whole), (512, 512), Image.Resampling.LANCZOS)
        difference = np.asarray(expected, dtype=float) - np.asarray(made, dtype=float)
    assert 10 * np.log10(255**2 / np.mean(difference**2)) > 40


def test_a_warning_is_heard_again_after_the_last_worker(imported):
    prepare(imported, SMALL, "cat", workers=3)
    with pytest.warns(UserWarning, match="heard"):
        warnings.warn("heard", stacklevel=1)


def test_parts_cut_by_hand_are_kept_beside_the_dataset_and_count_from_the_next_preparation_on(concepts):
    whole = content(prepare(concepts, SMALL, "zoo").folder.parent / "20_cat")
    set_crop(concepts, "20_cat/c.png", Crop(left=0, top=0.5, right=0.5, bottom=1))
    cut = content(prepare(concepts, SMALL, "zoo").folder.parent / "20_cat")
    assert [name for name in whole if name.endswith(".png") and cut[name] != whole[name]] == ["00001-0-c.png"]
    set_crop(concepts, "20_cat/c.png", None)
    assert content(prepare(concepts, SMALL, "zoo").folder.parent / "20_cat") == whole


@pytest.mark.parametrize("name", ["../version.toml", "nothing.png", "/etc/passwd", ""])
def test_only_originals_can_be_cut(concepts, name):
    concepts.record.write_text("")
    with pytest.raises(NotFoundError, match="no original"):
        set_crop(concepts, name, None)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("format = 9\n", "format 9"),
        ("format = 1\ncrops = 3\n", "not a table"),
        ('format = 1\n[crops]\n"a.png" = [0, 1]\n', r"left, top, right, bottom"),
        ('format = 1\n[crops]\n"a.png" = [0.5, 0, 0.5, 1]\n', r"0.5, 0.0, 0.5, 1.0 can't be cut out"),
    ],
)
def test_lines_about_cuts_that_cannot_be_used_are_named(concepts, text, told):
    concepts.crops.write_text(text)
    with pytest.raises(DatasetNotUsableError, match=told):
        prepare(concepts, SMALL, "zoo")


def test_a_preview_shows_each_step_that_changes_something_and_ends_with_the_training_images(concepts):
    seen = previewed(concepts, "20_cat/c.png", replace(SMALL, mirrored_copies=True), None)
    assert seen.original == "20_cat/c.png"
    assert [stage.name for stage in seen.stages] == ["in 8-bit colours", "framed", "with mirrored copies"]
    folder = prepare(concepts, replace(SMALL, mirrored_copies=True), "zoo").folder.parent / "20_cat"
    assert seen.pictures == tuple(path.read_bytes() for path in sorted(folder.glob("00001-*.png")))
    with Image.open(io.BytesIO(drawn(seen))) as sheet:
        assert sheet.height > 3 * 192
    with pytest.raises(NotFoundError, match=r"no original 'x\.png'"):
        previewed(concepts, "x.png", SMALL, None)


def test_a_preview_can_be_taken_of_every_kind_of_pixel(version, picture):
    picture(version.origin / "a.jpg", mode="CMYK")
    assert previewed(version, None, SMALL, None).original == "a.jpg"
