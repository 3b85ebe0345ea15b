"""Splits, crops at the focus, auto-sized crops, frames and fits: the formulas on numbers and on photographs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from train_tools.datasets.pictures import NotAPictureError, read_picture
from train_tools.model.preparation import Preparation
from train_tools.preparation.focus.corners import corners
from train_tools.preparation.focus.entropy import busiest_part, entropy
from train_tools.preparation.focus.faces import faces
from train_tools.preparation.original import Original
from train_tools.preparation.steps import prepared
from train_tools.preparation.steps.auto_crop import best_size
from train_tools.preparation.steps.focal_crop import box_around, covering_whole, focus_of, points_of
from train_tools.preparation.steps.frames import frames_for, largest_frames, smaller_frames
from train_tools.preparation.steps.split import offsets

PLAIN = Preparation(mirrored_copies=False)
FRAMES = replace(PLAIN, resize="frames", width_px=768, height_px=512)
ASTRONAUT, CAT, ROCKET = 0, 2, 4


@pytest.fixture
def astronaut(photographs):
    """A portrait lying on its side would be no test: the upper two thirds, wider than high."""
    return read_picture(photographs[ASTRONAUT]).convert("RGB").crop((0, 0, 512, 340))


@pytest.mark.parametrize(("size", "starts"), [((600, 1800), (0, 341, 682, 1024)), ((2000, 800), (0, 384, 768))])
def test_a_long_picture_is_split_where_s1_split_it(size, starts):
    across, along = (0, 1) if size[1] > size[0] else (1, 0)
    ramp = Image.linear_gradient("L").resize((64, 512)) if along else Image.linear_gradient("L").rotate(90)
    pieces = prepared(ramp.resize(size), replace(PLAIN, split=True))
    assert [piece.size for piece in pieces] == [(512, 512)] * len(starts)
    length = size[along] * 512 // size[across]
    begins = [np.asarray(piece)[(256, 0, 0) if along == 0 else (0, 256, 0)] for piece in pieces]
    assert np.abs(np.array(begins, dtype=float) - np.array(starts) / length * 255).max() < 3


def test_one_piece_is_the_middle_instead_of_a_division_by_zero():
    assert offsets(512, 512, 0) == (0,)
    assert offsets(513, 512, 0.9) == (0, 1)
    assert offsets(600, 512, 0) == (0, 88)


@pytest.mark.parametrize("size", [(512, 512), (600, 1100), (1023, 512)])
def test_pictures_of_a_usual_shape_are_not_split(size):
    assert len(prepared(Image.new("RGB", size), replace(PLAIN, split=True))) == 1


def test_at_threshold_one_all_but_the_training_shape_are_split():
    every = replace(PLAIN, split=True, split_threshold=1.0)
    assert len(prepared(Image.new("RGB", (512, 512)), every)) == 1
    assert len(prepared(Image.new("RGB", (512, 640)), every)) == 2


@pytest.mark.parametrize(
    ("picture", "objective", "size"),
    [
        ((1000, 1000), "area", (640, 640)),
        ((600, 400), "area", (768, 512)),
        ((700, 500), "area", (768, 512)),
        ((700, 500), "error", (704, 512)),
        ((3000, 1000), "area", None),
        ((400, 760), "area", (448, 768)),
    ],
)
def test_an_auto_sized_crop_takes_the_size_that_suits_the_shape(picture, objective, size):
    preparation = replace(PLAIN, auto_crop=True, auto_crop_objective=objective)
    assert best_size(picture, preparation) == size


def test_where_no_size_suits_the_picture_is_left_out_with_the_reason():
    with pytest.raises(NotAPictureError, match=r"shape \(3000 x 1000\) is further than 0.1.*384 to 768"):
        prepared(Image.new("RGB", (3000, 1000)), replace(PLAIN, auto_crop=True))


def test_framings_add_up_and_replace_the_plain_fit():
    both = replace(PLAIN, split=True, auto_crop=True, auto_crop_threshold=0.7)
    assert len(prepared(Image.new("RGB", (2000, 800)), both)) == 4


def test_frames_are_those_of_traintrain():
    assert largest_frames(FRAMES) == ((512, 768), (512, 512), (768, 512))
    fine = replace(FRAMES, frame_step_px=128, frame_least_px=384)
    largest = ((384, 768), (512, 768), (512, 640), (512, 512), (640, 512), (768, 512), (768, 384))
    assert largest_frames(fine) == largest
    finest = replace(fine, frame_least_px=256)
    assert largest_frames(finest) == largest
    assert set(smaller_frames(finest)) == {
        (256, 512), (384, 640), (256, 384), (384, 512), (384, 384),
        (256, 256), (512, 384), (384, 256), (640, 384), (512, 256),
    }  # fmt: skip


def test_three_smaller_frames_and_mirroring_make_eight_images_of_one():
    three = replace(FRAMES, frame_step_px=128, frame_least_px=256, smaller_frames=3)
    first, *others = frames_for((512, 640), three)
    assert first == (512, 640)
    assert set(others) == {(384, 640), (256, 384), (384, 512)}
    made = prepared(Image.new("RGB", (512, 640)), replace(three, mirrored_copies=True))
    assert len(made) == 8
    assert made[0].size == made[1].size == (512, 640)


def test_the_ratio_limits_frames():
    narrow = replace(FRAMES, frame_step_px=128, frame_least_px=256, frame_ratio=1.0)
    assert largest_frames(narrow) == ((512, 512),)
    assert set(smaller_frames(narrow)) == {(256, 256), (384, 384)}


def test_what_would_have_to_be_enlarged_can_be_left_out():
    strict = replace(FRAMES, frame_step_px=128, frame_least_px=256, smaller_frames=3, enlarge=False)
    made = prepared(Image.new("RGB", (500, 640)), strict)
    assert {picture.size for picture in made} <= {(384, 512), (384, 640), (256, 384), (256, 512)}
    with pytest.raises(NotAPictureError, match="200 x 640 pixels, less than 512 x 512, and is not to be enlarged"):
        prepared(Image.new("RGB", (200, 640)), replace(PLAIN, enlarge=False))


@pytest.mark.parametrize(
    ("size", "kept"), [((1024, 512), (724, 362)), ((300, 200), (300, 200)), ((9, 9000), (9, 9000))]
)
def test_a_kept_picture_has_its_own_shape_and_no_more_pixels(size, kept):
    (made,) = prepared(Image.new("RGB", size), replace(PLAIN, resize="keep"))
    assert made.size == kept


def test_a_padded_picture_is_whole_on_the_background():
    padded = replace(PLAIN, resize="pad", background="#0000ff", width_px=64, height_px=64)
    (made,) = prepared(Image.new("RGB", (200, 100), "#ff0000"), padded)
    columns = np.asarray(made)[:, 32]
    assert (columns[16:48] == (255, 0, 0)).all()
    assert (columns[:16] == (0, 0, 255)).all() and (columns[48:] == (0, 0, 255)).all()
    (small,) = prepared(Image.new("RGB", (20, 10), "#ff0000"), replace(padded, enlarge=False))
    assert (np.asarray(small)[:, :, 0] == 255).sum() == 200


def test_the_focus_is_the_weighted_mean_of_the_middles_of_what_was_found(astronaut):
    preparation = replace(PLAIN, focal_crop=True)
    picture = covering_whole(astronaut, preparation)
    points = points_of(picture, preparation, Original())
    middles = {kind: np.mean(found, axis=0) for kind, found in points.items()}
    expected = (0.9 * middles["faces"] + 0.15 * middles["entropy"] + 0.5 * middles["edges"]) / 1.55
    assert focus_of(picture, preparation, Original()) == tuple(np.rint(expected))
    (cut,) = prepared(astronaut, preparation)
    left = round(expected[0]) - 256
    assert (np.asarray(cut) == np.asarray(picture)[:512, left : left + 512]).all()


def test_kinds_that_are_not_there_do_not_count(photographs):
    preparation = replace(PLAIN, focal_crop=True)
    picture = covering_whole(read_picture(photographs[ROCKET]), preparation)
    points = points_of(picture, preparation, Original())
    assert not points["faces"]
    middles = {kind: np.mean(found, axis=0) for kind, found in points.items() if len(found)}
    expected = (0.15 * middles["entropy"] + 0.5 * middles["edges"]) / 0.65
    assert focus_of(picture, preparation, Original()) == tuple(np.rint(expected))


def test_a_face_is_found_and_kept_in_the_crop(astronaut):
    found = faces(astronaut, None)
    assert len(found) == 1
    assert np.hypot(found[0][0] - 224, found[0][1] - 115) < 25
    right = Image.new("RGB", (1200, 340), "#808080")
    right.paste(astronaut, (688, 0))
    (cut,) = prepared(right, replace(PLAIN, focal_crop=True, focal_entropy=0, focal_edges=0, height_px=512))
    assert len(faces(cut, None)) == 1


def test_corners_are_not_looked_for_where_signatures_stand():
    picture = Image.new("RGB", (400, 300), "#808080")
    drawing = ImageDraw.Draw(picture)
    drawing.rectangle((100, 50, 140, 90), "#ffffff")
    drawing.rectangle((300, 280, 320, 295), "#000000")
    found = corners(picture)
    assert len(found) == 4
    assert all(95 <= x <= 145 and 45 <= y <= 95 for x, y in found)


def test_entropy_is_that_of_black_and_white():
    half = Image.new("L", (10, 10))
    half.paste(255, (0, 0, 10, 5))
    assert entropy(half) == pytest.approx(2.0)
    tenth = Image.new("L", (10, 10))
    tenth.paste(255, (0, 0, 10, 1))
    assert entropy(tenth) == pytest.approx(-np.log2(0.1) - np.log2(0.9))
    assert entropy(Image.new("L", (10, 10))) == 0


def test_the_busiest_part_is_slid_along_the_longer_side():
    picture = Image.new("L", (100, 20), 255)
    picture.paste(0, (80, 0, 82, 20))
    ((x, y),) = busiest_part(picture, (20, 20))
    assert 72 <= x <= 92
    assert y == 10
    assert busiest_part(Image.new("L", (20, 20)), (20, 20)) == ()


def test_without_a_point_the_centre_is_taken_and_squares_are_fitted():
    preparation = replace(PLAIN, focal_crop=True)
    assert focus_of(Image.new("RGB", (1024, 512)), preparation, Original()) in ((512, 256), (256, 256))
    assert len(prepared(Image.new("RGB", (600, 600)), preparation)) == 1


@pytest.mark.parametrize(
    ("focus", "box"),
    [((0, 0), (0, 0, 512, 512)), ((400, 256), (144, 0, 656, 512)), ((1000, 500), (512, 0, 1024, 512))],
)
def test_a_crop_stays_within_the_picture(focus, box):
    assert box_around(focus, (1024, 512), PLAIN) == box


@pytest.mark.parametrize("size", [(1, 3), (2000, 30), (30, 2000), (513, 512)])
def test_every_framing_copes_with_thin_and_tiny_pictures(size):
    every = replace(PLAIN, focal_crop=True, split=True, split_threshold=1.0, width_px=64, height_px=128)
    assert {made.size for made in prepared(Image.new("RGB", size), every)} == {(64, 128)}
