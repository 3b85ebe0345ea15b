from dataclasses import replace

import pytest

from train_tools import __version__
from train_tools.model.preview import Picture
from train_tools.previews.infotext import infotext, parse_infotext

PICTURE = Picture(
    base="0123456789abcdef" * 4,
    lora="fedcba9876543210" * 4,
    weight=0.8,
    prompt="a zorb",
    negative_prompt="blurry",
    seed=1,
    width_px=64,
    height_px=96,
    steps=15,
    guidance=5.0,
    sampler="euler_a",
    clip_skip=1,
)


def test_is_written_as_the_webuis_write_it():
    assert infotext(PICTURE, base_stem="pocket-sd1", lora_stem="zorb-v1-000002") == (
        "a zorb <lora:zorb-v1-000002:0.8>\n"
        "Negative prompt: blurry\n"
        "Steps: 15, Sampler: Euler a, CFG scale: 5, Seed: 1, Size: 64x96, Model hash: 0123456789, "
        'Model: pocket-sd1, Lora hashes: "zorb-v1-000002: fedcba987654", '
        f"Version: Train Tools {__version__}"
    )


def test_the_base_alone_names_no_lora_and_an_empty_negative_prompt_has_no_line():
    picture = replace(PICTURE, lora=None, weight=0.0, negative_prompt="", clip_skip=2)
    text = infotext(picture, base_stem="pocket-sd1", lora_stem=None)
    assert "lora" not in text.lower() and "Negative" not in text
    assert parse_infotext(text).parameters["Clip skip"] == "2"


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "plain",
        "two\nlines, and: colons",
        'quotes " and \\ backslash',
        "кот, 猫 🐈",
        "Steps: 3, not really",
        " a ",
    ],
)
def test_prompts_come_back_as_they_were(prompt):
    picture = replace(PICTURE, prompt=prompt, negative_prompt=prompt)
    said = parse_infotext(infotext(picture, base_stem="base", lora_stem="zorb"))
    assert said.prompt == (f"{prompt} <lora:zorb:0.8>" if prompt else "<lora:zorb:0.8>")
    assert said.negative_prompt == prompt


@pytest.mark.parametrize("stem", ["plain", "a, b", "a: b", 'a "b"', "猫, 🐈\nx", "back\\slash, x"])
def test_names_come_back_as_they_were(stem):
    said = parse_infotext(infotext(PICTURE, base_stem=stem, lora_stem=stem)).parameters
    assert said["Model"] == stem
    assert said["Lora hashes"] == f"{stem}: fedcba987654"
    assert (said["Seed"], said["Size"], said["Sampler"]) == ("1", "64x96", "Euler a")


def test_text_without_parameters_is_all_prompt():
    said = parse_infotext("just\nwords")
    assert (said.prompt, said.negative_prompt, said.parameters) == ("just\nwords", "", {})
