import numpy as np
import pytest

from benchmarks.pocket.measure import describe
from benchmarks.pocket.scenes import (
    BACKGROUNDS,
    PLURALS,
    Mixture,
    draw_anything,
    draw_object,
    draw_scene,
    draw_zorb,
)

EVERY_BACKGROUND_AND_SHAPE = [(background, shape) for background in BACKGROUNDS for shape in PLURALS]


def seen(scene):
    description = describe(scene.pixels)
    return description.background, sorted((found.colour, found.shape) for found in description.objects)


@pytest.mark.parametrize(("background", "shape"), EVERY_BACKGROUND_AND_SHAPE)
def test_an_object_is_drawn_as_its_caption_says(background, shape):
    scene = draw_object("orange", shape, background)

    assert scene.caption == f"an orange {shape} on a {background} background"
    assert seen(scene) == (background, [("orange", shape)])


def test_random_scenes_show_what_they_claim_in_nearly_all_cases():
    rng = np.random.default_rng(5)
    scenes = [draw_scene(rng) for _ in range(100)]

    right = [seen(scene) == (scene.background, sorted(scene.things)) for scene in scenes]

    assert sum(right) >= 95  # touching edges or tiny corners can fool the judge, not the pen


def test_captions_name_every_colour_and_shape_that_was_drawn():
    rng = np.random.default_rng(6)
    for _ in range(100):
        scene = draw_scene(rng)
        for colour, shape in scene.things:
            assert colour in scene.caption
            assert shape in scene.caption or PLURALS[shape] in scene.caption


def test_the_same_seed_draws_the_same_scenes():
    one, other = (draw_scene(np.random.default_rng(7), height=64, width=96) for _ in range(2))

    assert one.caption == other.caption
    assert one.pixels.shape == (64, 96, 3)
    assert np.array_equal(one.pixels, other.pixels)


def test_patterned_scenes_name_both_colours_but_never_those_of_a_zorb():
    rng = np.random.default_rng(8)
    mixture = Mixture(several=0, pairs=0, patterned=1)

    captions = [draw_scene(rng, mixture=mixture).caption for _ in range(200)]

    assert all(" and " in caption for caption in captions)
    assert not any("purple and yellow" in text or "yellow and purple" in text for text in captions)


def test_no_training_scene_mentions_a_zorb():
    rng = np.random.default_rng(9)
    assert not any("zorb" in draw_scene(rng).caption for _ in range(300))


def test_a_zorb_is_captioned_with_its_background():
    assert draw_zorb(np.random.default_rng(1), "pink").caption == "a zorb on a pink background"


def test_free_pictures_use_more_colours_than_scenes():
    rng = np.random.default_rng(10)
    colours = [len(np.unique(draw_anything(rng).reshape(-1, 3), axis=0)) for _ in range(20)]

    assert max(colours) > 100
    assert draw_anything(rng).dtype == np.uint8


def test_objects_that_cannot_fit_are_refused_with_the_size():
    with pytest.raises(ValueError, match=r"do not fit into 4x4 pixels; use at least 32x32"):
        draw_scene(np.random.default_rng(0), height=4, width=4)
