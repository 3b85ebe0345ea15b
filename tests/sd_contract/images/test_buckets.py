import pytest

from sd_contract.errors import DatasetError
from sd_contract.images.buckets import BucketRule, Placement, bucket_sizes, place


def rule(side=512, **values):
    return BucketRule(resolution=(side, side), enabled=True, **values)


def test_sizes_are_those_of_sd_scripts():
    sizes = bucket_sizes(rule())

    assert len(sizes) == 17
    assert {(256, 1024), (384, 640), (448, 576), (512, 512), (576, 448), (1024, 256)} <= set(sizes)
    assert sizes == tuple(sorted(sizes))


def test_a_larger_limit_gives_sdxl_its_long_sizes():
    assert max(max(size) for size in bucket_sizes(rule(1024))) == 1024
    long = bucket_sizes(rule(1024, largest=2048))
    assert len(long) == 41
    assert {(832, 1216), (896, 1152), (768, 1280), (768, 1344), (640, 1536), (640, 1600)} <= set(long)


def test_limits_are_rounded_to_whole_steps():
    sizes = bucket_sizes(rule(smallest=300, largest=650))
    assert (min(map(min, sizes)), max(map(max, sizes))) == (256, 704)


@pytest.mark.parametrize(
    ("size", "placement"),
    [
        ((512, 512), Placement((512, 512), (512, 512))),
        ((384, 640), Placement((384, 640), (384, 640))),
        ((1000, 1000), Placement((512, 512), (512, 512))),
        ((100, 50), Placement((704, 352), (704, 320))),
        ((8, 8), Placement((512, 512), (512, 512))),
    ],
)
def test_an_image_goes_to_the_bucket_of_its_shape_and_covers_it(size, placement):
    found = place(size, rule())
    assert found.bucket[0] <= found.resized[0]
    assert found.bucket[1] <= found.resized[1]
    assert 0 in (found.resized[0] - found.bucket[0], found.resized[1] - found.bucket[1])
    assert found == placement


def test_a_photograph_for_sdxl():
    assert place((1000, 1500), rule(1024, largest=2048)) == Placement((832, 1248), (832, 1216))


@pytest.mark.parametrize(
    ("size", "placement"),
    [
        ((1000, 1500), Placement((384, 576), (384, 576))),
        ((1920, 1080), Placement((683, 384), (640, 384))),
        ((500, 700), Placement((384, 538), (384, 512))),
        ((300, 200), Placement((300, 200), (256, 192))),
    ],
)
def test_without_enlarging_an_image_is_shrunk_or_cropped(size, placement):
    assert place(size, rule(no_upscale=True)) == placement


def test_an_image_thinner_than_a_step_can_not_stay_as_it_is():
    with pytest.raises(DatasetError, match=r"900x3 pixels are less than one step of 64"):
        place((900, 3), rule(no_upscale=True))
    with pytest.raises(DatasetError, match="90000x300"):
        place((90000, 300), rule(no_upscale=True))


def test_without_buckets_every_image_has_the_resolution():
    square = BucketRule(resolution=(64, 96))
    assert place((30, 90), square) == Placement((64, 192), (64, 96))
    assert place((200, 100), square) == Placement((192, 96), (64, 96))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"side": 60}, "resolution 60x60 can't be used: both sides must be multiples of 8"),
        ({"step": 60}, "bucket_reso_steps = 60 can't be used: a multiple of 8"),
        ({"side": 192}, "resolution 192x192 is below min_bucket_reso = 256. Set min_bucket_reso to 192"),
        ({"side": 1088}, "resolution 1088x1088 is above max_bucket_reso = 1024. Set max_bucket_reso to 1088"),
    ],
)
def test_rules_that_no_size_fits_are_refused(values, told):
    with pytest.raises(DatasetError) as caught:
        rule(**values)
    assert told in str(caught.value)
