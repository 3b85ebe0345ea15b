from __future__ import annotations

import json

import pytest

from train_tools.checkpoints import facts


def test_tags_of_all_folders_are_counted_the_most_frequent_first():
    told = {"1_cat": {"a cat": 3, "indoors": 5}, "2_dog": {"indoors": 1, "a dog ": 2}}
    assert facts.tags_of({"ss_tag_frequency": json.dumps(told)}) == (("indoors", 6), ("a cat", 3), ("a dog", 2))


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "1", '{"a": 1}', '{"a": {"b": "c"}}', '{"a": {"b": true}}', "[" * 100_000]
)
def test_tags_that_are_none_are_no_tags(text):
    assert facts.tags_of({"ss_tag_frequency": text}) == ()


def test_hostile_metadata_are_cut_and_nothing_in_them_moves_a_cursor():
    hostile = {
        "long": "x" * 1_000_000,
        "escape\x1b[2J": "\x1b]0;title\x07 <script>alert(1)</script>\r",
        "half": "\ud800 half",
        "turned": "\u202e gnp.exe",
    }
    shown = facts.shown(hostile)
    assert all(text.isprintable() for text in (*shown, *shown.values()))
    assert len(shown["long"]) < 2100 and "1,000,000 characters" in shown["long"]
    assert any("<script>" in text for text in shown.values())
    assert len(facts.shown({str(number): "" for number in range(10_000)})) == facts.MOST_KEYS


def test_endlessly_many_tags_are_cut():
    told = {"1_cat": {f"tag {number}": 1 for number in range(5_000)}}
    assert len(facts.tags_of({"ss_tag_frequency": json.dumps(told)})) == facts.MOST_TAGS


@pytest.mark.parametrize(
    ("version", "family"),
    [("sd_v1", "SD1"), ("sd_v2_v", "SD2"), ("sdxl_base_v1-0", "SDXL"), ("flux1", "Unknown"), ("", "Unknown")],
)
def test_a_family_is_spelt_as_the_webui_does(version, family):
    assert facts.family_of({"ss_base_model_version": version}) == family


def test_trigger_words_of_the_file_are_one_each():
    assert facts.trigger_of({"modelspec.trigger_phrase": " zorb,  red   zorb,,zorb"}) == ("zorb", "red zorb")
