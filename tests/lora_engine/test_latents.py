import pytest
import torch
from PIL import Image

from lora_engine.data.images import cover, load_pixels
from lora_engine.data.latents import ImageKey, LatentCache, Moments, draw_latents
from lora_engine.families import sd1
from lora_engine.maths.streams import Streams
from sd_contract.errors import DatasetError


@pytest.fixture(scope="module")
def vae(tiny_base):
    return sd1.load(tiny_base).vae


@pytest.fixture
def picture(tmp_path):
    """Red on the left, blue on the right, 128 x 64 pixels."""
    image = Image.new("RGB", (128, 64), "red")
    image.paste("blue", (64, 0, 128, 64))
    image.save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def same(first, second):
    return torch.equal(first.mean, second.mean) and torch.equal(first.logvar, second.logvar)


def test_pixels_go_from_minus_one_to_one(picture):
    pixels = load_pixels(picture, (128, 64))

    assert pixels.shape == (3, 64, 128)
    assert pixels[:, 0, 0].tolist() == [1.0, -1.0, -1.0]
    assert pixels[:, 0, -1].tolist() == [-1.0, -1.0, 1.0]


@pytest.mark.parametrize(("size", "wanted"), [((100, 50), (64, 64)), ((30, 90), (64, 96)), ((64, 64), (64, 64))])
def test_an_image_of_any_size_is_made_to_cover(size, wanted):
    assert cover(Image.new("RGB", size), wanted).size == wanted


def test_the_middle_is_kept_when_cropping(picture):
    pixels = load_pixels(picture, (32, 32))

    assert pixels[0, :, :16].min() == 1.0
    assert pixels[2, :, 16:].min() == 1.0


def test_a_photo_lying_on_its_side_is_turned_upright(tmp_path):
    image = Image.new("RGB", (64, 32), "red")
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)

    assert load_pixels(tmp_path / "turned.jpg", (32, 64)).shape == (3, 64, 32)


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x89PNG\r\n\x1a\n\x00\x00"])
def test_a_file_that_is_no_whole_image_is_named(tmp_path, content):
    (tmp_path / "broken one.png").write_bytes(content)

    with pytest.raises(DatasetError, match=r"broken one\.png can't be read .* Replace or remove it"):
        load_pixels(tmp_path / "broken one.png", (64, 64))


def test_a_truncated_image_is_named(picture, tmp_path):
    whole = picture.read_bytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(DatasetError, match=r"half\.png can't be read"):
        load_pixels(tmp_path / "half.png", (64, 64))


def test_cached_moments_are_those_that_were_encoded(vae, picture, tmp_path):
    key = ImageKey(picture, (64, 64), False)
    fresh = LatentCache(vae, None).moments(key)
    written = LatentCache(vae, tmp_path / "cache").moments(key)
    read = LatentCache(vae, tmp_path / "cache").moments(key)

    assert fresh.mean.shape == (4, 8, 8)
    assert same(fresh, written)
    assert same(fresh, read)


def test_what_decides_a_latent_decides_its_name_in_the_cache(vae, picture, tmp_path):
    cache = LatentCache(vae, tmp_path / "cache")
    for key in (
        ImageKey(picture, (64, 64), False),
        ImageKey(picture, (64, 64), True),
        ImageKey(picture, (64, 96), False),
    ):
        cache.moments(key)
    Image.new("RGB", (64, 64)).save(picture)
    cache.moments(ImageKey(picture, (64, 64), False))

    assert len([path for path in (tmp_path / "cache").rglob("*") if path.is_file()]) == 4


def test_a_damaged_cache_file_is_made_again(vae, picture, tmp_path):
    cache, key = LatentCache(vae, tmp_path / "cache"), ImageKey(picture, (64, 64), False)
    first = cache.moments(key)
    (kept,) = (path for path in (tmp_path / "cache").rglob("*") if path.is_file())
    kept.write_bytes(kept.read_bytes()[:-10])

    assert same(cache.moments(key), first)
    assert same(LatentCache(vae, tmp_path / "cache").moments(key), first)


def test_a_mirrored_image_is_encoded_mirrored(vae, picture):
    cache = LatentCache(vae, None)
    plain = cache.moments(ImageKey(picture, (64, 64), False))
    mirrored = cache.moments(ImageKey(picture, (64, 64), True))

    assert not torch.allclose(plain.mean, mirrored.mean)


def test_latents_spread_around_the_mean_as_the_variance_says():
    moments = Moments(torch.full((4, 32, 32), 2.0), torch.full((4, 32, 32), -2.0))
    (drawn,) = draw_latents([moments], Streams(1), [("sample", 0)])

    assert abs(drawn.mean() - 2.0) < 0.05
    assert abs(drawn.std() - torch.tensor(-1.0).exp()) < 0.02
