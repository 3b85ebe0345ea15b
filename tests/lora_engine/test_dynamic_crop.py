"""Dynamic cropping: another part of each image at each draw (S0-28, S0-29, S0-30)."""

import pytest
import torch
from PIL import Image

from lora_engine.data.batches import run_steps
from lora_engine.data.framing import draw_view
from lora_engine.data.latents import LatentCache, image_keys
from lora_engine.families import load
from lora_engine.job import read_job
from lora_engine.maths.streams import Streams
from lora_engine.recipes.inputs import Encoded, Pictures
from sd_contract.datasets import Dataset, Subset, collect
from sd_contract.options import Settings
from sd_contract.steps import StepPlan
from tests.lora_engine.pictures import described


def framings(epochs=range(1, 41), repeats=range(4), seed=1, flip_aug=False, **values):
    item = described(dynamic_crop=True, flip_aug=flip_aug, **values)
    draws = [(epoch, repeat) for epoch in epochs for repeat in repeats]
    return [draw_view(item, number, Streams(seed), *draw).framing for number, draw in enumerate(draws)]


def test_crops_differ_at_every_epoch_and_repeat_and_come_again_for_a_seed():
    large = {"size": (4000, 3000), "resolution": (512, 512)}
    first = framings(**large)
    assert len(set(first)) == len(first) == 160
    assert framings(**large) == first
    assert set(framings(**large, seed=2)).isdisjoint(first)
    assert set(framings(**large, name="b.png")).isdisjoint(first)


def test_a_crop_is_up_to_so_many_times_smaller_than_the_largest_and_lies_anywhere():
    seen = framings(size=(400, 300), resolution=(64, 64), dynamic_crop_zoom=1.5)
    heights = [framing.resized[1] for framing in seen]
    assert {framing.size for framing in seen} == {(64, 64)}
    assert (min(heights), max(heights)) == (64, 96)
    assert all(abs(f.resized[0] / f.resized[1] - 4 / 3) < 0.02 for f in seen)
    lefts = [f.left / max(1, f.resized[0] - 64) for f in seen]
    tops = [f.top / (f.resized[1] - 64) for f in seen if f.resized[1] > 70]
    assert min(lefts) == min(tops) == 0
    assert max(lefts) == max(tops) == 1


def test_a_zoom_of_one_only_shifts():
    assert {framing.resized for framing in framings(size=(400, 300), dynamic_crop_zoom=1)} == {(85, 64)}


def test_an_image_is_enlarged_only_where_it_is_smaller_than_the_crop():
    near = framings(size=(80, 70), dynamic_crop_zoom=4)
    assert (80, 70) in {framing.resized for framing in near}
    assert max(framing.resized for framing in near) == (80, 70)
    assert {framing.resized for framing in framings(size=(50, 32), dynamic_crop_zoom=4)} == {(100, 64)}


@pytest.fixture
def draw(tmp_path, tiny_base):
    """Draws four epochs of one image, twice each: an opaque left half, 256 x 192 pixels."""
    image = Image.new("RGBA", (256, 192), (255, 0, 0, 255))
    image.paste((0, 0, 255, 0), (128, 0, 256, 192))
    (tmp_path / "images").mkdir()
    image.save(tmp_path / "images" / "a.png")
    subset = Subset(
        image_dir=tmp_path / "images",
        class_tokens="x",
        num_repeats=2,
        alpha_mask=True,
        flip_aug=True,
        dynamic_crop=True,
    )
    collected = collect(Dataset(resolution=(64, 64), batch_size=1, subsets=(subset,)))
    cache, streams = LatentCache(load(tiny_base).vae, None), Streams(1)
    plan = StepPlan(batches_per_epoch=2, steps_per_epoch=2, total_steps=8, epochs=4)

    def batches():
        assert image_keys([collected]) == []
        pictures = Pictures(Settings(), Encoded({}, cache), streams)
        return [pictures.of(step.batches[0]) for step in run_steps([collected], plan, streams, 1)]

    return batches


def test_every_epoch_of_a_training_sees_other_pixels_under_their_own_mask(draw):
    """The model is told where the crop lies in the scaled image, of a mirrored one in the mirrored one."""
    drawn, again = draw(), draw()
    assert all(torch.equal(one.latents, other.latents) for one, other in zip(drawn, again, strict=True))
    assert len({one.sizes[0] for one in drawn}) == 8
    for one in drawn:
        size = one.sizes[0]
        assert (size.original_width, size.original_height, size.width, size.height) == (256, 192, 64, 64)
        opaque, left = one.mask[0, 0, 0].sum().item() * 8, size.crop_left
        widths = [round(height * 4 / 3) for height in range(64, 81)]
        mirrored = one.mask[0, 0, 0, -1] > one.mask[0, 0, 0, 0]
        visible = [max(0, min(64, left + 64 - w / 2 if mirrored else w / 2 - left)) for w in widths]
        assert min(visible) - 1 <= opaque <= max(visible) + 1


def test_a_job_tells_what_gives_way_and_which_images_have_no_room(dataset, tiny_model, tmp_path):
    words = ["--pretrained_model_name_or_path", tiny_model, "--dataset_config", dataset, "--output_dir", tmp_path]
    options = ["--dynamic_crop", "--cache_latents", "--enable_bucket", "--dynamic_crop_resolution", "64"]
    job = read_job([str(word) for word in (*words, *options)])
    told = "\n".join(job.warnings)
    assert "cache_latents = true has no effect beside dynamic_crop = true" in told
    assert "enable_bucket = true has no effect beside dynamic_crop = true" in told
    assert "dynamic_crop always shows the same of 2 images, which are no larger than the crop: blue.png" in told
    assert {collected.dataset.rule.resolution for collected in job.datasets} == {(64, 64)}
