"""Infotexts as people paste them: of several WebUIs, torn, with odd prompts."""

from dataclasses import replace

import pytest

from tests.previews.test_infotext import PICTURE
from train_tools.errors import OptionValueError
from train_tools.model.preview import PreviewSettings
from train_tools.previews.infotext import infotext
from train_tools.previews.pasted import settings_from_infotext

OURS = PreviewSettings(weights=(0.5,), seeds=(3,), axes={"steps": (5, 6), "vae": ("a.pt",)})
A1111 = (
    "masterpiece, (best quality:1.2), 1girl, <lora:foo:0.8>\n"
    "Negative prompt: lowres, bad anatomy\n"
    "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 1234567890, Size: 512x768, "
    'Model hash: 6ce0161689, Model: v1-5-pruned-emaonly, Clip skip: 2, Lora hashes: "foo: 0123456789ab", '
    "Version: v1.10.1"
)


def read(text):
    return settings_from_infotext(text, OURS)


def test_everything_that_means_something_here_is_taken_and_the_rest_stays():
    settings = read(A1111).settings
    assert settings.prompts == ("masterpiece, (best quality:1.2), 1girl",)
    assert settings.negative_prompt == "lowres, bad anatomy"
    assert (settings.steps, settings.guidance, settings.seeds) == (20, 7.0, (1234567890,))
    assert (settings.sampler, settings.scheduler, settings.clip_skip) == ("dpmpp_2m", "karras", 2)
    assert (settings.width_px, settings.height_px) == (512, 768)
    assert settings.weights == (0.5,)
    assert settings.axes == {"vae": ("a.pt",)}


def test_what_is_left_out_is_named():
    notes = read(A1111.replace("Clip skip: 2", "Hires upscale: 2, Denoising strength: 0.5")).notes
    assert notes[0].startswith("<lora:foo:0.8> was taken out")
    assert [note.split(":")[0] for note in notes[1:]] == ["Hires upscale", "Denoising strength"]


@pytest.mark.parametrize(
    ("said", "sampler", "scheduler"),
    [
        ("Sampler: DPM++ 2M Karras", "dpmpp_2m", "karras"),
        ("Sampler: DPM++ 2M, Schedule type: Automatic", "dpmpp_2m", "karras"),
        ("Sampler: Euler a, Schedule type: Automatic", "euler_a", ""),
        ("Sampler: Euler, Schedule type: SGM Uniform", "euler", "sgm_uniform"),
        ("Sampler: DDIM", "ddim", ""),
        ("Sampler: PLMS, Schedule type: Karras", "pndm", ""),
        ("Sampler: Restart", "euler_a", ""),
        ("Sampler: Euler, Schedule type: Align Your Steps", "euler", ""),
    ],
)
def test_samplers_are_known_by_the_names_of_old_and_new_webuis(said, sampler, scheduler):
    settings = read(f"a\nSteps: 20, {said}, CFG scale: 7, Seed: 1").settings
    assert (settings.sampler, settings.scheduler) == (sampler, scheduler)


@pytest.mark.parametrize("text", ["", "a cat", "Steps: 20", "{}", "a\nb\nc, d: e"])
def test_a_text_that_is_no_infotext_is_refused_in_a_sentence(text):
    with pytest.raises(OptionValueError, match="This is no infotext"):
        read(text)


@pytest.mark.parametrize(
    "text",
    [
        A1111.replace("\n", "\r\n"),
        "\ufeff" + A1111 + "\n\n",
        A1111.replace("masterpiece", "Steps: 3, CFG scale: 9, Seed: 4\nmasterpiece"),
        A1111.replace("1girl", 'a sign that says "Size: 8x8, hi"'),
        A1111.replace("Version: v1.10.1", 'Wildcard prompt: "a, \\"b\\": c", Version: f2.0.1v1.10.1-previous'),
        A1111.replace("Negative prompt: lowres", "Negative prompt: lowres,\nsecond line"),
    ],
)
def test_awkward_texts_are_taken_apart_at_the_right_places(text):
    settings = read(text).settings
    assert (settings.steps, settings.seeds, settings.height_px) == (20, (1234567890,), 768)
    assert settings.sampler == "dpmpp_2m"
    assert "\r" not in settings.prompts[0]
    assert "bad anatomy" in settings.negative_prompt and "bad anatomy" not in settings.prompts[0]


@pytest.mark.parametrize(
    "line",
    ["Steps: many, Sampler: Euler, Seed: 1, Size: 64x64", "Steps: 5000, Sampler: Euler, Seed: 1, Size: 7x7"],
)
def test_values_that_can_not_be_used_are_named_and_the_others_taken(line):
    found = read(f"a\n{line}")
    assert found.settings.seeds == (1,) and found.settings.steps == OURS.steps
    assert any("can't be used" in note and note.startswith("steps") for note in found.notes)


def test_our_own_infotexts_come_back_as_they_were():
    picture = replace(
        PICTURE, prompt="a (cat:1.2),\n[b]", sampler="dpmpp_2m", scheduler="exponential", clip_skip=2
    )
    settings = read(infotext(picture, base_stem="base", lora_stem="zorb")).settings
    assert settings.prompts == ("a (cat:1.2),\n[b]",)
    for name in (
        "negative_prompt",
        "width_px",
        "height_px",
        "steps",
        "guidance",
        "sampler",
        "scheduler",
        "clip_skip",
    ):
        assert getattr(settings, name) == getattr(picture, name)
