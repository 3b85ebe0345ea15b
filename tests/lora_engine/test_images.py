import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from lora_engine.data.framing import Framing, Tint
from lora_engine.data.images import FILTERS, framed, load_mask, load_opacity, load_pixels, tinted, upright
from sd_contract.datasets.description import INTERPOLATIONS
from sd_contract.errors import DatasetError
from sd_contract.images.buckets import BucketRule, place
from sd_contract.images.image_sizes import image_size


def centred(size, bucket):
    resized = place(size, BucketRule(resolution=bucket)).resized
    return Framing(resized, bucket, (resized[0] - bucket[0]) // 2, (resized[1] - bucket[1]) // 2)


@pytest.fixture
def picture(tmp_path):
    """Red on the left, blue on the right, 128 x 64 pixels."""
    image = Image.new("RGB", (128, 64), "red")
    image.paste("blue", (64, 0, 128, 64))
    image.save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def test_pixels_go_from_minus_one_to_one(picture):
    pixels = load_pixels(picture, centred((128, 64), (128, 64)))

    assert pixels.shape == (3, 64, 128)
    assert pixels[:, 0, 0].tolist() == [1.0, -1.0, -1.0]
    assert pixels[:, 0, -1].tolist() == [-1.0, -1.0, 1.0]


@pytest.mark.parametrize(("size", "wanted"), [((100, 50), (64, 64)), ((30, 90), (64, 96)), ((64, 64), (64, 64))])
def test_an_image_of_any_size_is_made_to_cover(size, wanted):
    assert framed(Image.new("RGB", size), centred(size, wanted)).size == wanted


def test_the_middle_is_kept_when_cropping(picture):
    pixels = load_pixels(picture, centred((128, 64), (32, 32)))

    assert pixels[0, :, :16].min() == 1.0
    assert pixels[2, :, 16:].min() == 1.0


def test_a_mirrored_image_is_cut_and_then_mirrored(picture):
    framing = Framing((128, 64), (80, 64), 0, 0, mirrored=True)
    plain, mirrored = (load_pixels(picture, Framing((128, 64), (80, 64), 0, 0, flip)) for flip in (False, True))

    assert torch.equal(load_pixels(picture, framing), plain.flip(-1))
    assert torch.equal(mirrored, plain.flip(-1))


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
@pytest.mark.parametrize("orientation", range(10))
def test_a_photo_lies_as_its_exif_data_say(tmp_path, orientation, suffix):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"turned.{suffix}"
    Image.fromarray(np.arange(64 * 32 * 3, dtype=np.uint8).reshape(32, 64, 3)).save(path, exif=exif)

    with Image.open(path) as image:
        wanted = ImageOps.exif_transpose(image)
    assert (np.asarray(upright(path)) == np.asarray(wanted)).all()
    assert image_size(path) == wanted.size


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x89PNG\r\n\x1a\n\x00\x00"])
def test_a_file_that_is_no_whole_image_is_named(tmp_path, content):
    (tmp_path / "broken one.png").write_bytes(content)

    with pytest.raises(DatasetError, match=r"broken one\.png can't be read .* Replace or remove it"):
        upright(tmp_path / "broken one.png")


def test_a_truncated_image_is_named(picture, tmp_path):
    whole = picture.read_bytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(DatasetError, match=r"half\.png can't be read"):
        upright(tmp_path / "half.png")


def test_every_interpolation_has_a_filter_of_its_own(tmp_path):
    assert set(FILTERS) == set(INTERPOLATIONS)
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (40, 40, 3), dtype=np.uint8))
    framing = Framing((31, 31), (24, 24), 3, 3)
    seen = {name: framed(noise, framing, name).tobytes() for name in INTERPOLATIONS}

    assert len(set(seen.values())) == len(INTERPOLATIONS) - 2
    assert seen["linear"] == seen["bilinear"]
    assert seen["cubic"] == seen["bicubic"]
    assert framed(noise, framing).tobytes() == seen["area"]
    larger = Framing((50, 50), (48, 48), 1, 1)
    assert framed(noise, larger).tobytes() == framed(noise, larger, "lanczos").tobytes()


def test_a_mask_weighs_each_cell_by_its_area(tmp_path):
    mask = Image.new("RGB", (32, 16), "black")
    mask.paste((255, 0, 0), (0, 0, 12, 16))
    mask.save(tmp_path / "mask.png")
    framing = Framing((32, 16), (32, 16), 0, 0)

    assert load_mask(tmp_path / "mask.png", framing).tolist() == [[[1.0, 0.5, 0.0, 0.0]] * 2]
    mirrored = Framing((32, 16), (32, 16), 0, 0, mirrored=True)
    assert load_mask(tmp_path / "mask.png", mirrored).tolist() == [[[0.0, 0.0, 0.5, 1.0]] * 2]
    cut = Framing((32, 16), (16, 16), 8, 0)
    assert load_mask(tmp_path / "mask.png", cut).tolist() == [[[0.5, 0.0]] * 2]


def test_a_mask_of_another_size_is_laid_over_its_image(tmp_path):
    mask = Image.new("L", (64, 64), 255)
    mask.paste(0, (0, 0, 32, 64))
    mask.save(tmp_path / "mask.png")

    assert load_mask(tmp_path / "mask.png", Framing((32, 16), (32, 16), 0, 0))[0, 0].tolist() == [0, 0, 1, 1]


def test_opacity_is_the_alpha_channel_and_1_without_one(tmp_path):
    image = Image.new("RGBA", (16, 8), (9, 9, 9, 255))
    image.paste((9, 9, 9, 51), (0, 0, 8, 8))
    image.save(tmp_path / "a.png")
    Image.new("RGB", (16, 8)).save(tmp_path / "b.png")
    framing = Framing((16, 8), (16, 8), 0, 0)

    assert load_opacity(tmp_path / "a.png", framing).tolist() == [[[pytest.approx(0.2), 1.0]]]
    assert load_opacity(tmp_path / "b.png", framing).tolist() == [[[1.0, 1.0]]]


def test_the_colour_under_transparency_is_trained_as_it_is(tmp_path):
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(tmp_path / "a.png")
    assert load_pixels(tmp_path / "a.png", Framing((8, 8), (8, 8), 0, 0))[:, 0, 0].tolist() == [1.0, -1.0, -1.0]


def test_a_tint_turns_the_hue_or_the_brightness():
    red, grey = Image.new("RGB", (1, 1), "red"), Image.new("RGB", (1, 1), (128, 128, 128))

    assert tinted(red, Tint(hue=1 / 3)).getpixel((0, 0)) == pytest.approx((0, 255, 0), abs=6)
    assert tinted(grey, Tint(hue=0.04)).getpixel((0, 0)) == (128, 128, 128)
    assert tinted(grey, Tint(gamma=1.05)).getpixel((0, 0)) == (124, 124, 124)
