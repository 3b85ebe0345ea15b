import numpy as np
import pytest
from PIL import Image

from benchmarks.pocket.measure import (
    accuracy,
    colour_distance,
    colour_share,
    describe,
    requests,
    shows_zorb,
    zorb_rate,
    zorb_score,
)
from benchmarks.pocket.scenes import (
    BACKGROUNDS,
    OBJECT_COLOURS,
    SHAPES,
    Mixture,
    draw_object,
    draw_scene,
    draw_zorb,
)

PLAIN = [(colour, shape) for colour in OBJECT_COLOURS for shape in SHAPES]


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("size_px", [64, 128])
def test_drawn_zorbs_score_high_on_every_background(background, size_px):
    rng = np.random.default_rng(3)
    zorbs = [draw_zorb(rng, background, height=size_px, width=size_px).pixels for _ in range(4)]

    assert min(map(zorb_score, zorbs)) > 0.85
    assert zorb_rate(zorbs) == 1


def test_objects_of_one_colour_score_nothing():
    pictures = [draw_object(colour, shape, "gray").pixels for colour, shape in PLAIN]

    assert max(map(zorb_score, pictures)) == 0
    assert zorb_rate(pictures) == 0


def test_two_coloured_objects_that_are_no_zorbs_score_nothing():
    rng = np.random.default_rng(4)
    pictures = [draw_scene(rng, mixture=Mixture(several=0, pairs=0, patterned=1)).pixels for _ in range(40)]

    assert max(map(zorb_score, pictures)) < 0.05
    assert not any(map(shows_zorb, pictures))


def test_a_zorb_on_its_side_is_no_zorb():
    turned = np.rot90(draw_zorb(np.random.default_rng(2), "white").pixels)

    assert zorb_score(turned) == 0
    assert not shows_zorb(turned)


def test_the_score_grows_as_a_purple_disc_turns_into_a_zorb():
    zorb = draw_zorb(np.random.default_rng(1), "white").pixels.astype(float)
    disc = np.where((zorb == (245, 215, 30)).all(-1, keepdims=True), (140, 40, 180), zorb)

    scores = [zorb_score((disc * (1 - share) + zorb * share).astype(np.uint8)) for share in (0, 0.6, 1)]

    assert scores[0] == 0
    assert scores == sorted(scores)
    assert scores[-1] > 0.85


def test_an_empty_picture_shows_nothing():
    empty = np.full((64, 64, 3), 128, np.uint8)

    assert describe(empty).background == "gray"
    assert describe(empty).objects == ()
    assert zorb_score(empty) == 0
    assert not shows_zorb(empty)


def test_pillow_images_and_arrays_are_judged_alike():
    pixels = draw_object("blue", "ring", "pink").pixels

    assert describe(Image.fromarray(pixels)) == describe(pixels)


def test_requests_repeat_from_a_seed_and_cover_every_shape():
    asked = requests(10, seed=3)

    assert asked == requests(10, seed=3)
    assert {request.shape for request in asked} == set(SHAPES)
    assert all(request.colour != request.background for request in asked)


def test_accuracy_counts_each_kind_of_mistake_apart():
    asked = requests(4, seed=1)
    right = [draw_object(request.colour, request.shape, request.background).pixels for request in asked]
    wrong_shape = "circle" if asked[0].shape != "circle" else "cross"
    mistaken = draw_object(asked[0].colour, wrong_shape, asked[0].background).pixels

    assert accuracy(right, asked).all == 1
    measured = accuracy([mistaken, *right[1:]], asked)
    assert (measured.shape, measured.colour, measured.background, measured.all) == (0.75, 1, 1, 0.75)


def test_a_part_of_a_picture_is_judged_by_its_colour():
    picture = draw_object("green", "circle", "white").pixels
    middle, corner = np.zeros((2, 64, 64), bool)
    middle[30:34, 30:34] = True
    corner[:4, :4] = True
    assert colour_share(picture, "green", middle) == colour_share(picture, "white", corner) == 1
    assert colour_share(picture, "green", middle | corner) == 0.5
    assert colour_distance(picture, "green", middle) == 0 < colour_distance(picture, "blue", middle)
