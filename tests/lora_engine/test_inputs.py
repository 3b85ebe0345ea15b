"""What a batch becomes: latents, masks, sizes; and that the loss heeds the masks."""

import pytest
import torch
from PIL import Image

from lora_engine.data.batches import epoch_batches
from lora_engine.data.framing import Framing
from lora_engine.data.latents import LatentCache, image_keys
from lora_engine.families import load
from lora_engine.maths.losses import sample_means
from lora_engine.maths.streams import Streams
from lora_engine.recipes.inputs import Encoded, Pictures, size_of
from sd_contract.datasets import Dataset, Subset, collect
from sd_contract.options import settings_from
from tests.lora_engine.pictures import described


@pytest.fixture(scope="module")
def vae(tiny_base):
    return load(tiny_base).vae


@pytest.fixture
def folder(tmp_path):
    """One picture of 128 x 64 pixels, red and opaque on the left, and a mask that is white on the right."""
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    image = Image.new("RGBA", (128, 64), (255, 0, 0, 255))
    image.paste((0, 0, 255, 0), (64, 0, 128, 64))
    image.save(tmp_path / "images" / "a.png")
    mask = Image.new("L", (128, 64), 0)
    mask.paste(255, (64, 0, 128, 64))
    mask.save(tmp_path / "masks" / "a.png")
    return tmp_path


@pytest.fixture
def draw(folder, vae):
    """Draws batches of one image under these settings of the subset."""

    def batches(draws=1, options=(), resolution=(128, 64), **values):
        subset = Subset(image_dir=folder / "images", class_tokens="x", num_repeats=draws, **values)
        collected = collect(Dataset(resolution=resolution, batch_size=1, subsets=(subset,)))
        cache, streams = LatentCache(vae, None), Streams(1)
        moments = {key: cache.moments(key) for key in image_keys([collected])}
        pictures = Pictures(settings_from(dict(options)), Encoded(moments, cache), streams)
        return [pictures.of(batch) for batch in epoch_batches([collected], streams, 1)]

    return batches


def columns(mask):
    return mask[0, 0, 0].tolist()


LEFT, RIGHT = [1.0] * 8 + [0.0] * 8, [0.0] * 8 + [1.0] * 8


def test_without_masks_all_cells_count_alike(draw):
    (pictures,) = draw()
    assert pictures.mask is None
    assert pictures.latents.shape == (1, 4, 8, 16)


def test_opacity_is_a_mask(draw):
    assert columns(draw(alpha_mask=True)[0].mask) == LEFT


def test_a_masks_own_file_goes_before_opacity(draw, folder):
    (pictures,) = draw(alpha_mask=True, conditioning_data_dir=folder / "masks")
    assert pictures.mask.shape == (1, 1, 8, 16)
    assert columns(pictures.mask) == RIGHT


def test_a_mirrored_image_has_a_mirrored_mask(draw):
    drawn = draw(20, alpha_mask=True, flip_aug=True)
    masks = [columns(pictures.mask) for pictures in drawn]
    assert {tuple(mask) for mask in masks} == {tuple(LEFT), tuple(RIGHT)}


def test_a_mask_follows_a_random_crop(draw):
    drawn = draw(30, alpha_mask=True, random_crop=True, resolution=(64, 64))
    for pictures in drawn:
        left = pictures.sizes[0].crop_left
        assert sum(columns(pictures.mask)) * 8 == pytest.approx(max(0, 64 - left))
    assert len({pictures.sizes[0].crop_left for pictures in drawn}) > 10


def test_the_model_is_told_the_true_sizes(draw):
    size = draw(resolution=(64, 64))[0].sizes[0]
    assert size.numbers() == (64, 128, 0, 32, 64, 64)


def test_of_a_mirrored_image_the_crop_begins_where_it_does_in_the_mirrored_one():
    item = described(size=(128, 64))
    plain, mirrored = (
        size_of(item, Framing((128, 64), (64, 64), left=10, top=0, mirrored=flip)) for flip in (False, True)
    )
    assert (plain.crop_left, mirrored.crop_left) == (10, 54)


def spread(drawn):
    latents = torch.stack([pictures.latents[0] for pictures in drawn])
    return (latents - latents[0]).abs().max().item()


def test_a_cached_latent_is_drawn_once_and_another_each_time(draw):
    assert spread(draw(4, {"cache_latents": True})) == 0
    assert spread(draw(4, {"cache_latents_to_disk": True})) == 0
    assert spread(draw(4)) > 0.1


def test_tinted_draws_have_other_latents_and_the_others_the_same(draw):
    pairs = zip(draw(12), draw(12, color_aug=True), strict=True)
    differ = [not torch.equal(plain.latents, tinted.latents) for plain, tinted in pairs]
    assert 0 < sum(differ) < 12


def test_a_mask_weighs_the_loss_and_the_mean_is_over_all_cells():
    losses, mask = torch.ones(1, 4, 8, 16), torch.tensor(LEFT).expand(1, 1, 8, 16)
    assert sample_means(losses).tolist() == [1.0]
    assert sample_means(losses, mask).tolist() == [0.5]
    losses[..., 8:] = 100.0
    assert sample_means(losses, mask).tolist() == [0.5]
