from __future__ import annotations

from pathlib import Path

import pytest

from train_tools.base_models.styles import Styles, guessed_style, suggestions
from train_tools.errors import StorageError
from train_tools.model.base_model import BaseModelFile, CaptionStyle, StyleOfModel, Tagger


@pytest.mark.parametrize(
    ("name", "metadata", "style", "reason"),
    [
        ("animagine-xl-3.1", {}, "tags", '"anima'),
        ("nai-full-final", {}, "tags", '"nai"'),
        ("AOM3A1B_orangemixs", {}, "tags", '"aom"'),
        ("ponyDiffusionV6XL", {}, "tags", '"pony"'),
        ("waiNSFWIllustrious_v120", {}, "tags", '"wai"'),
        ("noobai-XL-Vpred", {}, "tags", '"noobai"'),
        ("x", {"modelspec.tags": "style, Anime"}, "tags", '"anime" in modelspec.tags'),
        ("x", {"sd_merge_models": '{"ab": {"name": "Anything-V3.0"}}'}, "tags", "sd_merge_models"),
        ("v1-5-pruned-emaonly", {}, "prose", "nothing"),
        ("renaissance_painting", {}, "prose", "nothing"),
        ("realisticVision", {"modelspec.description": "photographs"}, "prose", "nothing"),
        ("sd_xl_base_1.0", {}, "prose", "nothing"),
        ("", {}, "prose", "nothing"),
    ],
)
def test_a_style_is_guessed_from_name_and_metadata(name, metadata, style, reason):
    guess = guessed_style(name, metadata)
    assert (guess.style, guess.chosen) == (CaptionStyle(style), False)
    assert reason in guess.reason


def model(family: str, style: CaptionStyle, prediction: str = "epsilon") -> BaseModelFile:
    return BaseModelFile(
        path=Path("/x.safetensors"),
        family=family,
        prediction=prediction,
        prediction_sign="a sign",
        style=StyleOfModel(style=style, reason="said"),
    )


@pytest.mark.parametrize(
    ("family", "style", "words", "options", "tagger"),
    [
        ("sd1", "tags", 2, {"shuffle_caption": True, "keep_tokens": 2, "clip_skip": 2}, Tagger.BOORU),
        ("sd1", "prose", 2, {"shuffle_caption": False, "keep_tokens": 0, "clip_skip": 1}, Tagger.CAPTIONS),
        ("sdxl", "tags", 1, {"shuffle_caption": True, "keep_tokens": 1}, Tagger.BOORU),
        ("sd2", "prose", 1, {"shuffle_caption": False, "keep_tokens": 0}, Tagger.CAPTIONS),
    ],
)
def test_what_suits_a_model_follows_from_its_style_and_family(family, style, words, options, tagger):
    """S3-05, S3-30, S3-31, S3-33; S4-03, S4-19."""
    suited = suggestions(model(family, CaptionStyle(style)), words)
    assert {each.option: each.value for each in suited.options} == options
    assert suited.tagger is tagger
    assert all(each.reason for each in suited.options)


def test_a_model_that_predicts_v_wants_v_parameterization():
    """S0-05."""
    suited = suggestions(model("sd2", CaptionStyle.PROSE, "v_prediction"))
    assert ("v_parameterization", True) in [(each.option, each.value) for each in suited.options]
    assert "v_parameterization" not in [
        each.option for each in suggestions(model("sd2", CaptionStyle.PROSE)).options
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("format = 2", "has format 2"),
        ("styles = 3", "tags"),
        ('[styles]\n"1-a" = "poetry"', "tags"),
        ("styles", "not valid TOML"),
    ],
)
def test_a_file_of_styles_that_can_not_be_read_is_told(tmp_path, text, says):
    (tmp_path / "styles.toml").write_text(text)
    with pytest.raises(StorageError, match=says):
        Styles(tmp_path / "styles.toml").of(model("sd1", CaptionStyle.TAGS))
