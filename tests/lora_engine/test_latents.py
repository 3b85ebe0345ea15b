import copy
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from PIL import Image

from lora_engine.data.framing import Framing
from lora_engine.data.latents import ImageKey, LatentCache, Moments, draw_latents, image_keys
from lora_engine.errors import TrainingError
from lora_engine.families import sd1
from lora_engine.maths.streams import Streams
from sd_contract.datasets import Dataset, Subset, collect


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


def key(path, size=(64, 64), mirrored=False, left=0, interpolation=None):
    """The picture scaled to twice the size's width, cut from `left` on."""
    return ImageKey(path, Framing((2 * size[0], size[1]), size, left, 0, mirrored), interpolation)


def same(first, second):
    return torch.equal(first.mean, second.mean) and torch.equal(first.logvar, second.logvar)


def test_cached_moments_are_those_that_were_encoded(vae, picture, tmp_path):
    fresh = LatentCache(vae, None).moments(key(picture))
    written = LatentCache(vae, tmp_path / "cache").moments(key(picture))
    read = LatentCache(vae, tmp_path / "cache").moments(key(picture))

    assert fresh.mean.shape == (4, 8, 8)
    assert same(fresh, written)
    assert same(fresh, read)


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_decides_a_latent_decides_its_name_in_the_cache(vae, picture, tmp_path):
    cache = LatentCache(vae, tmp_path / "cache")
    ways = (
        key(picture),
        key(picture, mirrored=True),
        key(picture, (64, 96)),
        key(picture, left=8),
        key(picture, interpolation="nearest"),
    )
    for way in ways:
        cache.moments(way)
    Image.new("RGB", (64, 64)).save(picture)
    cache.moments(key(picture))
    LatentCache(vae.to(torch.bfloat16), tmp_path / "cache").moments(key(picture))
    vae.float()

    assert len(files(tmp_path / "cache")) == len(ways) + 2


def test_an_equal_image_elsewhere_is_not_encoded_again(vae, picture, tmp_path):
    LatentCache(vae, tmp_path / "cache").moments(key(picture))
    (kept,) = files(tmp_path / "cache")
    before = kept.stat().st_mtime_ns
    elsewhere = picture.rename(tmp_path / "renamed.png")
    LatentCache(vae, tmp_path / "cache").moments(key(elsewhere))

    assert [path.stat().st_mtime_ns for path in files(tmp_path / "cache")] == [before]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-10],
        lambda content: content[:-10] + bytes(10),
        lambda content: b"",
        lambda content: bytes(len(content)),
    ],
)
def test_a_damaged_cache_file_is_made_again(vae, picture, tmp_path, damage):
    cache = LatentCache(vae, tmp_path / "cache")
    first = cache.moments(key(picture))
    (kept,) = files(tmp_path / "cache")
    whole = kept.read_bytes()
    kept.write_bytes(damage(whole))

    assert same(cache.moments(key(picture)), first)
    assert files(tmp_path / "cache") == [kept]
    assert kept.read_bytes()[-20:] == whole[-20:]


def test_runs_that_encode_the_same_image_at_once_do_not_disturb_each_other(vae, picture, tmp_path):
    caches = [LatentCache(vae, tmp_path / "cache") for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda cache: cache.moments(key(picture)), caches * 5))

    assert all(same(found[0], one) for one in found)
    assert len(files(tmp_path / "cache")) == 1


def test_a_vae_that_overflows_is_told(vae, picture):
    broken = copy.deepcopy(vae)
    next(broken.parameters()).data.fill_(float("inf"))
    with pytest.raises(TrainingError, match=r"the VAE makes no numbers of image .*picture\.png in torch.float32"):
        LatentCache(broken, None).moments(key(picture))


def test_of_mirrored_images_both_orientations_are_encoded_and_of_changing_ones_none(picture):
    def keys(**values):
        subset = Subset(image_dir=picture.parent, class_tokens="x", **values)
        return image_keys([collect(Dataset(resolution=(64, 64), batch_size=1, subsets=(subset,)))])

    assert [one.framing.mirrored for one in keys()] == [False]
    assert [one.framing.mirrored for one in keys(flip_aug=True)] == [False, True]
    assert keys(random_crop=True) == keys(color_aug=True) == []


def test_a_mirrored_image_is_encoded_mirrored(vae, picture):
    cache = LatentCache(vae, None)
    plain = cache.moments(key(picture, left=32))
    mirrored = cache.moments(key(picture, left=32, mirrored=True))

    assert not torch.allclose(plain.mean, mirrored.mean)


def test_latents_spread_around_the_mean_as_the_variance_says():
    moments = Moments(torch.full((4, 32, 32), 2.0), torch.full((4, 32, 32), -2.0))
    (drawn,) = draw_latents([moments], Streams(1), [("sample", 0)])

    assert abs(drawn.mean() - 2.0) < 0.05
    assert abs(drawn.std() - torch.tensor(-1.0).exp()) < 0.02
