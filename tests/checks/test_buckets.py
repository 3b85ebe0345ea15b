"""Which image lands where, and what of it is cut off; as the engine frames it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from lora_engine.data.framing import middle_of
from sd_contract.datasets import collect
from sd_contract.datasets.description import Dataset, Subset
from tests.checks.conftest import PROJECT, VERSION, photograph
from train_tools.checks.buckets import LOST, picture
from train_tools.errors import NotFoundError, OptionValueError
from train_tools.model.buckets import PlacedImage


def buckets(desk, **tried):
    return desk.app.checks.buckets(PROJECT, VERSION, tried)


def test_without_buckets_all_images_come_to_one_size(desk):
    desk.put("10_cat/a.png", photograph(1, (128, 64)), "cat")
    desk.put("5_cat/b.png", photograph(2, (64, 64)), "cat")
    found = buckets(desk)
    [bucket] = found.buckets
    assert (found.enabled, bucket.size, bucket.draws, bucket.cut) == (False, (64, 64), 15, 0.5)
    assert [image.image for image in bucket.images] == ["10_cat/a.png", "5_cat/b.png"]
    assert bucket.images[0].kept == (32, 0, 96, 64)


def test_what_is_tried_is_typed_like_options_and_changes_nothing(desk):
    desk.put("10_cat/a.png", photograph(1, (256, 128)), "cat")
    desk.put("10_cat/b.png", photograph(2, (100, 256)), "cat")
    before = desk.options()
    tried = {
        "resolution": "128",
        "enable_bucket": "true",
        "min_bucket_reso": "64",
        "max_bucket_reso": "256",
        "train_batch_size": "4",
    }
    found = buckets(desk, **tried)
    assert {bucket.size: (len(bucket.images), bucket.batches) for bucket in found.buckets} == {
        (64, 192): (1, 3),
        (128, 128): (1, 3),
    }
    assert desk.options() == before
    with pytest.raises(OptionValueError, match="resolutoin"):
        buckets(desk, resolutoin="3")


def test_images_that_no_bucket_holds_are_listed(desk):
    desk.put("10_cat/a.png", photograph(1, (640, 40)), "cat")
    (desk.paths.processed / "10_cat/page.png").write_text("<html>")
    found = buckets(desk, enable_bucket="true", bucket_no_upscale="true")
    assert [name for name, _ in found.left_out] == ["10_cat/a.png", "10_cat/page.png"]


@pytest.mark.parametrize("size", [(300, 200), (201, 333), (64, 64), (65, 500)])
def test_the_part_that_is_kept_is_the_engines(desk, size):
    desk.put("10_cat/a.png", photograph(1, size), "cat")
    [bucket] = buckets(desk, resolution="128", enable_bucket="true", min_bucket_reso="64").buckets
    [placed] = bucket.images
    trained = Dataset(
        resolution=(128, 128),
        batch_size=1,
        enable_bucket=True,
        min_bucket_reso=64,
        subsets=(Subset(image_dir=desk.paths.processed / "10_cat"),),
    )
    framing = middle_of(collect(trained).items[0])
    assert placed.kept == (
        framing.left,
        framing.top,
        framing.left + framing.size[0],
        framing.top + framing.size[1],
    )


def test_what_is_cut_off_is_dimmed_and_the_rest_as_it_is(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (200, 100), "white").save(path)
    placed = PlacedImage(image="a", size=(200, 100), resized=(128, 64), bucket=(64, 64), draws=1)
    made = np.asarray(picture(path, placed, 128))
    assert made.shape == (64, 128, 3)
    assert (made[10, 5] < 200).all()
    assert (made[10, 64] == 255).all()
    assert LOST == "#888888"


def test_the_sheet_shows_every_bucket_and_survives_a_broken_image(desk):
    desk.put("10_cat/a.png", photograph(1, (256, 128)), "cat")
    path = desk.put("10_cat/b.png", photograph(2, (128, 128)), "cat")
    path.write_bytes(path.read_bytes()[:3000])
    sheet = Image.open(io.BytesIO(desk.app.checks.bucket_sheet(PROJECT, VERSION)))
    assert sheet.width == 1400
    assert len(set(np.asarray(sheet).reshape(-1, 3).sum(axis=1).tolist())) > 50
    one = Image.open(io.BytesIO(desk.app.checks.bucket_picture(PROJECT, VERSION, "10_cat/a.png")))
    assert one.size == (128, 64)
    with pytest.raises(NotFoundError):
        desk.app.checks.bucket_picture(PROJECT, VERSION, "../a.png")
