"""Sizes against the resolution and the buckets."""

from __future__ import annotations

from tests.app.conftest import POCKET
from tests.checks.conftest import photograph


def test_a_few_small_images_are_to_be_put_aside(desk):
    desk.put_many(4)
    desk.put("10_cat/small.png", photograph(9, (40, 40)), "cat")
    [small] = desk.found("resolution")
    assert small.images == ("10_cat/small.png",)
    assert small.remedy.kind == "put_aside"


def test_where_most_are_small_the_resolution_is_to_be_theirs(desk):
    desk.put_many(4)
    desk.set(resolution="512")
    [small] = [each for each in desk.found("resolution") if each.images]
    assert small.remedy.arguments == {"values": {"resolution": "64"}}
    desk.cure("resolution=64")
    assert desk.options()["resolution"] == "64"
    desk.undo()
    assert desk.options()["resolution"] == "512"


def test_a_resolution_below_the_base_models_is_told(desk):
    desk.put_many(2)
    desk.set(pretrained_model_name_or_path=str(POCKET), resolution="32")  # it was taught at 64
    [told] = [each for each in desk.found("resolution") if each.remedy]
    assert told.remedy.arguments == {"values": {"resolution": "64"}}


def test_images_of_many_shapes_are_to_be_trained_in_buckets(desk):
    desk.put_many(2)
    desk.put("10_cat/wide.png", photograph(9, (128, 96)), "cat")
    [told] = desk.found("ratios")
    assert told.images == ("10_cat/wide.png",)
    assert told.remedy.arguments == {"values": {"enable_bucket": True}}


def test_an_image_that_fits_no_bucket_is_to_be_put_aside(desk):
    desk.set(enable_bucket=True, min_bucket_reso=64, max_bucket_reso=64)
    desk.put("10_cat/strip.png", photograph(9, (640, 64)), "cat")
    [told] = desk.found("ratios")
    assert told.images == ("10_cat/strip.png",)
    assert "90% cut off" in told.message
    assert told.remedy.kind == "put_aside"
