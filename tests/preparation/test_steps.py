from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from train_tools.datasets.pictures import NotAPictureError, read_picture
from train_tools.errors import DatasetNotUsableError
from train_tools.model.preparation import Preparation
from train_tools.preparation.steps import prepared

SIZE = Preparation(width_px=64, height_px=64, mirrored_copies=False)
SEEN = np.kron(np.array([[10, 90, 170], [250, 130, 50]], dtype=np.uint8), np.ones((32, 32), np.uint8))
"""Six squares of different grey: no turning or mirroring leaves them as they are."""

STORED = {
    1: SEEN,
    2: np.fliplr(SEEN),
    3: np.rot90(SEEN, 2),
    4: np.flipud(SEEN),
    5: SEEN.T,
    6: np.rot90(SEEN, 1),
    7: np.rot90(SEEN, 2).T,
    8: np.rot90(SEEN, -1),
}
"""How a camera that is held so stores it, by EXIF orientation."""


def pixels(picture, preparation=SIZE):
    (made,) = prepared(picture, preparation)
    assert (made.mode, made.size) == ("RGB", (preparation.width_px, preparation.height_px))
    return np.asarray(made).astype(int)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", STORED)
def test_a_photograph_is_turned_as_its_exif_says(tmp_path, orientation, suffix):
    exif = Image.Exif()
    exif[0x0112] = orientation
    lossless = {"jpg": {"quality": 100}, "webp": {"lossless": True}}.get(suffix, {})
    Image.fromarray(STORED[orientation]).save(tmp_path / f"a.{suffix}", exif=exif, **lossless)
    preparation = Preparation(width_px=96, height_px=64, mirrored_copies=False)
    made = pixels(read_picture(tmp_path / f"a.{suffix}"), preparation)
    assert np.abs(made[:, :, 0] - SEEN).max() <= 3


def test_broken_exif_data_are_no_reason_to_refuse(tmp_path):
    Image.fromarray(SEEN).save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff\xff")
    assert pixels(read_picture(tmp_path / "a.jpg")).shape == (64, 64, 3)


@pytest.mark.parametrize(("alpha", "expected"), [(0, (255, 0, 128)), (255, (0, 200, 100)), (51, (204, 40, 122))])
def test_transparent_pixels_show_the_background(alpha, expected):
    picture = Image.new("RGBA", (10, 10), (0, 200, 100, alpha))
    made = pixels(picture, Preparation(width_px=64, height_px=64, background="#ff0080", mirrored_copies=False))
    assert np.abs(made - np.array(expected)).max() <= 1


def test_a_background_that_is_no_colour_is_told_with_an_example():
    with pytest.raises(DatasetNotUsableError, match=r"'wite' is not a colour.*#rrggbb"):
        prepared(Image.new("RGBA", (8, 8)), Preparation(background="wite"))


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("1", 1, (255, 255, 255)),
        ("L", 77, (77, 77, 77)),
        ("LA", (77, 255), (77, 77, 77)),
        ("LA", (77, 0), (255, 255, 255)),
        ("P", 0, (0, 0, 0)),
        ("PA", (0, 0), (255, 255, 255)),
        ("CMYK", (0, 255, 255, 0), (255, 0, 0)),
        ("YCbCr", (128, 128, 128), (128, 128, 128)),
        ("HSV", (0, 255, 255), (255, 0, 0)),
        ("I", 200, (200, 200, 200)),
        ("I", 32896, (128, 128, 128)),
        ("I;16", 32896, (128, 128, 128)),
        ("F", 0.5, (128, 128, 128)),
        ("F", 200.0, (200, 200, 200)),
    ],
)
def test_every_kind_of_pixel_becomes_its_colour(mode, colour, expected):
    picture = Image.new(mode, (16, 16), colour)
    if mode in ("P", "PA"):
        picture.putpalette([0, 0, 0, 255, 255, 255])
    assert (pixels(picture) == np.array(expected)).all()


def test_sixteen_bits_of_grey_keep_their_shades(tmp_path):
    ramp = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (64, 1))
    for name in ("a.png", "a.tif"):
        Image.fromarray(ramp).save(tmp_path / name)
        made = pixels(read_picture(tmp_path / name))
        assert np.abs(made[:, :, 0] - ramp / 257).max() <= 1


def test_a_cmyk_photograph_keeps_its_colours(tmp_path, photographs):
    with Image.open(photographs[2]) as cat:
        cat.convert("CMYK").save(tmp_path / "cat.jpg", quality=95)
        difference = pixels(read_picture(tmp_path / "cat.jpg")) - pixels(cat)
    assert np.abs(difference).mean() < 3


def test_a_palette_with_a_transparent_colour_shows_the_background(tmp_path):
    picture = Image.new("P", (8, 8), 1)
    picture.putpalette([0, 0, 0, 10, 20, 30])
    picture.save(tmp_path / "a.gif", transparency=1)
    assert (pixels(read_picture(tmp_path / "a.gif")) == 255).all()


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_of_an_animation_the_first_frame_counts(tmp_path, suffix):
    first, second = (Image.new("RGB", (16, 16), colour) for colour in ("#ff0000", "#0000ff"))
    first.save(tmp_path / f"a.{suffix}", save_all=True, append_images=[second], lossless=True)
    assert np.abs(pixels(read_picture(tmp_path / f"a.{suffix}")) - np.array((255, 0, 0))).max() <= 1


@pytest.mark.parametrize("size", [(640, 320), (320, 640), (2001, 500)])
def test_a_picture_covers_the_size_and_is_cut_at_its_centre(size):
    picture = Image.new("RGB", size, "#ff0000")
    width, height = size
    square = min(size)
    middle = ((width - square) // 2, (height - square) // 2)
    picture.paste("#00ff00", (*middle, middle[0] + square, middle[1] + square))
    made = pixels(picture)
    assert (made[4:-4, 4:-4] == np.array((0, 255, 0))).all()
    assert (made[:, :, 1] > 100).all()


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (2000, 2), (2, 2000)])
def test_the_smallest_and_the_thinnest_pictures_are_fitted_too(size):
    assert (pixels(Image.new("RGB", size, "#102030")) == np.array((16, 32, 48))).all()


def test_a_mirrored_copy_follows_its_picture():
    upright, mirrored = prepared(Image.fromarray(SEEN), Preparation(mirrored_copies=True))
    assert (np.asarray(mirrored) == np.fliplr(np.asarray(upright))).all()


def test_colours_that_cannot_be_converted_are_told():
    with pytest.raises(NotAPictureError, match="La"):
        prepared(Image.new("La", (8, 8)), SIZE)
