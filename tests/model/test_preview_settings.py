from __future__ import annotations

from dataclasses import fields, replace

import pytest

from train_tools.errors import OptionValueError
from train_tools.model.preview import Picture, PreviewSettings

PICTURE = Picture(
    base="b",
    lora="l",
    weight=0.8,
    prompt="cat",
    negative_prompt="",
    seed=1,
    width_px=64,
    height_px=64,
    steps=8,
    guidance=7.0,
    sampler="ddim",
    clip_skip=1,
)
OTHER = {str: "other", int: 2, float: 2.5, tuple: ("word 0123",), type(None): "x"}


@pytest.mark.parametrize("field", [field.name for field in fields(Picture)])
def test_whatever_decides_a_picture_decides_its_key(field):
    other = replace(PICTURE, **{field: OTHER[type(getattr(PICTURE, field))]})
    assert other.key != PICTURE.key


def test_equal_pictures_have_equal_keys_and_the_key_stays_what_it_is():
    """Rendered pictures are found again by it: a change of how it is made renders all of them anew."""
    assert replace(PICTURE).key == PICTURE.key
    assert PICTURE.key == "0362cfadee6fc762587fb5193158edef460e175bf6cb0a95bda4940520714f1f"


@pytest.mark.parametrize("empty", ["prompts", "weights", "seeds"])
def test_previews_of_nothing_are_refused(empty):
    with pytest.raises(OptionValueError, match="at least one prompt, one weight and one seed"):
        PreviewSettings(**{empty: ()})


@pytest.mark.parametrize("sides", [(512, 100), (56, 512), (512, 5000), (0, 0), (-64, 64)])
def test_sides_that_can_not_be_rendered_are_told(sides):
    with pytest.raises(OptionValueError, match=f"{sides[0]}x{sides[1]} can't be rendered"):
        PreviewSettings(width_px=sides[0], height_px=sides[1])


@pytest.mark.parametrize("steps", [0, -1, 1001])
def test_numbers_of_steps_that_can_not_be_rendered_are_told(steps):
    with pytest.raises(OptionValueError, match=f"{steps} sampling steps can't be used: 1 to 1000"):
        PreviewSettings(steps=steps)


def test_a_renderer_that_there_is_not_is_told():
    with pytest.raises(OptionValueError, match="no renderer 'webgui' for previews"):
        PreviewSettings(renderer="webgui")
