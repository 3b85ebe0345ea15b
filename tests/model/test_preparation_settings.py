from __future__ import annotations

import pytest

from train_tools.errors import DatasetNotUsableError
from train_tools.model.preparation import Crop, Preparation, with_settings


def test_defaults_are_those_of_s1():
    preparation = Preparation()
    assert (preparation.width_px, preparation.height_px, preparation.repeats) == (512, 512, -1)
    assert preparation.mirrored_copies
    assert not (preparation.split or preparation.focal_crop or preparation.auto_crop)
    assert (preparation.split_threshold, preparation.split_overlap) == (0.5, 0.2)
    assert (preparation.focal_faces, preparation.focal_entropy, preparation.focal_edges) == (0.9, 0.15, 0.5)
    assert (preparation.auto_crop_least_px, preparation.auto_crop_most_px) == (384, 768)
    assert (preparation.auto_crop_least_area, preparation.auto_crop_most_area) == (64 * 64, 640 * 640)
    assert (preparation.auto_crop_objective, preparation.auto_crop_threshold) == ("area", 0.1)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("resize", "stretch", "cover, keep, pad or frames"),
        ("auto_crop_objective", "both", "area or error"),
        ("random_fixed_side", "middle", "none, left, top, right or bottom"),
        ("split_overlap", 0.95, "0 to 0.9 are allowed"),
        ("split_threshold", float("nan"), "0 to 1 are allowed"),
        ("multiply", 0, "1 to 1000 are allowed"),
        ("auto_crop_least_px", 800, "auto_crop_most_px is only 768"),
        ("background_remover", "../u2net.onnx", "without a folder"),
    ],
)
def test_a_setting_that_cannot_be_used_is_told_with_what_is_allowed(name, value, told):
    with pytest.raises(DatasetNotUsableError, match=told):
        Preparation(**{name: value})


def test_a_focus_on_nothing_is_told():
    with pytest.raises(DatasetNotUsableError, match="turn focal_crop off"):
        Preparation(focal_faces=0, focal_entropy=0, focal_edges=0)


def test_settings_are_read_as_one_types_them():
    typed = with_settings(Preparation(), ["split=True", "width_px= 768", "split_overlap=.3", "class_name=a=b"])
    assert typed == Preparation(split=True, width_px=768, split_overlap=0.3, class_name="a=b")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("split=2", "true or false"),
        ("width_px=1.5", "a whole number"),
        ("nothing=1", "NAME=VALUE"),
        ("split", "NAME"),
    ],
)
def test_a_setting_that_cannot_be_read_is_told(words, told):
    with pytest.raises(DatasetNotUsableError, match=told):
        with_settings(Preparation(), [words])


@pytest.mark.parametrize("words", ["0,0,1", "a,0,1,1", "0,0,0,1", "0.5,0,0.2,1", "0,0,1,1.1", "0,0,nan,1"])
def test_a_part_that_is_none_is_told(words):
    with pytest.raises(DatasetNotUsableError, match="shares"):
        Crop.of(words)
    assert Crop.of("0, 0.25, .5, 1") == Crop(left=0, top=0.25, right=0.5, bottom=1)
