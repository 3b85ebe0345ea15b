import pytest
from PIL import Image, ImageOps

from sd_contract.errors import DatasetError
from sd_contract.images.image_sizes import image_size


@pytest.mark.parametrize("orientation", [None, 1, 3, 6, 8])
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_it_is_the_size_of_the_upright_image(tmp_path, suffix, orientation):
    exif = Image.Exif()
    if orientation:
        exif[0x010F] = "a camera of a long name"
        exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    Image.new("RGB", (61, 37), "red").save(path, exif=exif)

    with Image.open(path) as image:
        assert image_size(path) == ImageOps.exif_transpose(image).size


@pytest.mark.parametrize(
    ("mode", "suffix", "options"),
    [
        ("RGBA", "png", {}),
        ("L", "png", {"dpi": (72, 72)}),
        ("L", "jpg", {"progressive": True}),
        ("CMYK", "jpg", {}),
        ("RGBA", "webp", {"lossless": True}),
        ("RGB", "webp", {"lossless": True}),
        ("RGB", "webp", {"icc_profile": b"odd"}),
        ("RGB", "bmp", {}),
    ],
)
def test_every_format_tells_its_size(tmp_path, mode, suffix, options):
    path = tmp_path / f"a.{suffix}"
    Image.new(mode, (301, 17)).save(path, **options)
    assert image_size(path) == (301, 17)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp"])
def test_a_file_that_is_cut_short_in_its_head_is_named(tmp_path, suffix):
    whole = tmp_path / f"whole.{suffix}"
    Image.new("RGB", (20, 10)).save(whole)
    path = tmp_path / f"cut.{suffix}"
    for length in (0, 3, 15, 20):
        path.write_bytes(whole.read_bytes()[:length])
        with pytest.raises(DatasetError, match=r"cut\.\w+ can't be read .* Replace or remove it"):
            image_size(path)


@pytest.mark.parametrize(
    "content", [b"garbage", b"\x89PNG\r\n\x1a\n" + bytes(30), b"RIFF1234WEBPabcd" + bytes(30)]
)
def test_a_file_that_is_no_image_is_named(tmp_path, content):
    (tmp_path / "no image.png").write_bytes(content)
    with pytest.raises(DatasetError, match=r"no image\.png can't be read"):
        image_size(tmp_path / "no image.png")


def test_damaged_exif_data_turn_nothing(tmp_path):
    Image.new("RGB", (61, 37)).save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff\xff")
    assert image_size(tmp_path / "a.jpg") == (61, 37)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"gone\.png can't be read"):
        image_size(tmp_path / "gone.png")
