"""Which part of an image is seen, and in which colours."""

from pathlib import Path

import pytest

from lora_engine.data.faces import Face, face_in_name
from lora_engine.data.framing import HUE_SHIFT, View, draw_view, middle_of
from lora_engine.maths.streams import Streams
from tests.lora_engine.pictures import described


def drawn(draws=300, **values):
    item = described(**values)
    return [draw_view(item, number, Streams(1)) for number in range(draws)]


def test_the_middle_is_seen_unless_something_else_is_asked_for():
    item = described(size=(100, 64))
    assert (middle_of(item).left, middle_of(item).top) == (18, 0)
    assert set(drawn(size=(100, 64))) == {View(middle_of(item))}


def test_half_of_the_draws_are_mirrored():
    mirrored = sum(view.framing.mirrored for view in drawn(flip_aug=True))
    assert 120 < mirrored < 180


def test_a_random_crop_slides_along_the_long_side_to_both_ends():
    framings = [view.framing for view in drawn(size=(100, 64), random_crop=True)]
    assert {framing.top for framing in framings} == {0}
    assert {framing.left for framing in framings} == set(range(37))


def test_a_third_of_the_draws_are_tinted_half_of_them_in_hue():
    tints = [view.tint for view in drawn(1200, color_aug=True) if view.tint]
    hues, gammas = [tint.hue for tint in tints if tint.hue], [tint.gamma for tint in tints if tint.gamma != 1]

    assert 340 < len(tints) < 460
    assert 0.4 < len(hues) / len(tints) < 0.6
    assert max(map(abs, hues)) <= HUE_SHIFT
    assert min(gammas) >= 0.95
    assert max(gammas) <= 1.05


@pytest.mark.parametrize(
    ("name", "face"),
    [
        ("cat_10_20_30_40.png", Face(10, 20, 30, 40)),
        ("red_cat_1_2_3_4.png", Face(1, 2, 3, 4)),
        ("cat_10_20_30.png", None),
        ("cat_a_20_30_40.png", None),
        ("cat_10_20_0_0.png", None),
        ("cat.png", None),
    ],
)
def test_a_name_tells_where_the_face_is(name, face):
    assert face_in_name(Path(name)) == face


def test_a_face_is_cut_around_and_is_as_large_as_asked():
    values = {"name": "cat_300_200_40_40.png", "size": (1000, 800), "face_crop_aug_range": (2.0, 4.0)}
    for view in drawn(50, **values):
        framing = view.framing
        scale = framing.resized[0] / 1000
        assert 1.99 < framing.size[0] / (40 * scale) < 4.01
        assert abs(300 * scale - framing.left - 32) <= 1.5
        assert abs(200 * scale - framing.top - 32) <= 1.5


def test_a_face_at_the_border_stays_inside_the_image():
    for view in drawn(50, name="cat_2_798_40_40.png", size=(1000, 800), face_crop_aug_range=(1.0, 9.0)):
        framing = view.framing
        assert framing.left == 0
        assert framing.top == framing.resized[1] - 64


def test_an_image_is_never_enlarged_for_a_face_nor_made_smaller_than_its_bucket():
    near, far = (
        drawn(5, name=f"cat_50_50_{size}_{size}.png", size=(100, 100), face_crop_aug_range=(1.0, 1.0))[0].framing
        for size in (4, 99)
    )
    assert near.resized == (100, 100)
    assert far.resized == (65, 65)


def test_with_a_random_crop_the_face_is_seen_but_not_always_in_the_middle():
    values = {"name": "cat_500_400_40_40.png", "size": (1000, 800), "face_crop_aug_range": (2.0, 2.0)}
    centres = {
        (500 * view.framing.resized[0] / 1000 - view.framing.left) for view in drawn(random_crop=True, **values)
    }
    assert len(centres) > 20
    assert min(centres) >= -1
    assert max(centres) <= 65


@pytest.mark.parametrize("values", [{"color_aug": True}, {"random_crop": True}])
def test_one_kind_of_chance_does_not_shift_anothers(values):
    plain = [view.framing.mirrored for view in drawn(flip_aug=True)]
    assert [view.framing.mirrored for view in drawn(flip_aug=True, size=(100, 64), **values)] == plain
