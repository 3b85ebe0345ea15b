from __future__ import annotations

from dataclasses import replace

import pytest

from train_tools.captioners.tags import Tag, TagKind, Thresholds, plain, spaced, words_of
from train_tools.errors import OptionValueError
from train_tools.model.captioning import CaptionSettings, Chosen, RatingTag, TagWords, replacements_of

USUAL = Thresholds(general=0.35, character=0.85)
FOUND = (
    Tag("long_hair", 0.6),
    Tag("1girl", 0.99),
    Tag("^_^", 0.5),
    Tag("hat", 0.34),
    Tag("saber_(fate)", 0.9, TagKind.CHARACTER),
    Tag("rin_(fate)", 0.8, TagKind.CHARACTER),
    Tag("general", 0.7, TagKind.RATING),
    Tag("sensitive", 0.3, TagKind.RATING),
)


def words(**wanted):
    return ", ".join(words_of(FOUND, TagWords(**wanted), USUAL))


@pytest.mark.parametrize(
    ("wanted", "caption"),
    [
        ({}, "1girl, saber (fate), long hair, ^_^"),
        ({"spaces": False}, "1girl, saber_(fate), long_hair, ^_^"),
        ({"threshold": 0.34}, "1girl, saber (fate), long hair, ^_^, hat"),
        ({"character_threshold": 0.8}, "1girl, saber (fate), rin (fate), long hair, ^_^"),
        ({"character_tags": False}, "1girl, long hair, ^_^"),
        ({"characters_first": True}, "saber (fate), 1girl, long hair, ^_^"),
        ({"rating": RatingTag.FIRST}, "general, 1girl, saber (fate), long hair, ^_^"),
        ({"rating": RatingTag.LAST}, "1girl, saber (fate), long hair, ^_^, general"),
        ({"rating": RatingTag.LAST, "rating_threshold": 0.71}, "1girl, saber (fate), long hair, ^_^"),
        ({"undesired": ("Long_Hair", "1girl")}, "saber (fate), ^_^"),
        ({"undesired": ("long hair",), "spaces": False}, "1girl, saber_(fate), ^_^"),
        ({"replacements": (("long_hair", "hair"), ("1girl", "woman"))}, "woman, saber (fate), hair, ^_^"),
        ({"replacements": (("long hair", "1girl"),)}, "1girl, saber (fate), ^_^"),
        ({"replacements": (("long hair", ""),)}, "1girl, saber (fate), ^_^"),
        ({"always_first": ("^_^", "none", "long_hair")}, "^_^, long hair, 1girl, saber (fate)"),
        ({"escape_brackets": True}, r"1girl, saber \(fate\), long hair, ^_^"),
    ],
)
def test_tags_become_words(wanted, caption):
    assert words(**wanted) == caption


@pytest.mark.parametrize(
    ("tag", "shown"),
    [("o_o", "o_o"), ("a_b", "a_b"), ("a_bc", "a bc"), ("(o)_(o)", "(o)_(o)"), ("||_||", "||_||")],
)
def test_faces_keep_their_underscores(tag, shown):
    assert spaced(tag) == shown
    assert plain(tag) == shown


def test_replacements_are_read_with_escapes():
    assert replacements_of(r"a,b;c\,d,e\;f; long hair , hair;g,") == (
        ("a", "b"),
        ("c,d", "e;f"),
        ("long hair", "hair"),
        ("g", ""),
    )
    assert replacements_of("") == ()


@pytest.mark.parametrize("text", ["a", "a,b,c", ",b", "a;b"])
def test_replacements_that_are_no_pairs_are_refused(text):
    with pytest.raises(OptionValueError, match="old,new"):
        replacements_of(text)


def test_settings_survive_the_queue():
    settings = CaptionSettings(
        captioners=(Chosen.of("blip"), Chosen.of("wd-v3=SmilingWolf/wd-vit-tagger-v3")),
        tags=TagWords(threshold=0.4, undesired=("a",), replacements=(("b", "c"),), rating=RatingTag.LAST),
        join="; ",
    )
    assert settings.captioners[1].model == "SmilingWolf/wd-vit-tagger-v3"
    assert CaptionSettings.of(settings.as_json()) == settings
    assert CaptionSettings.of({**settings.as_json(), "of_a_newer_version": 1}) == settings


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"captioners": ()}, "No captioner"),
        ({"captioners": (Chosen(name="blip"), Chosen(name="blip", model="a/b"))}, "twice"),
        ({"prompt": " "}, "prompt"),
    ],
)
def test_settings_that_mean_nothing_are_refused(change, words):
    with pytest.raises(OptionValueError, match=words):
        replace(CaptionSettings(captioners=(Chosen(name="blip"),)), **change)


def test_a_threshold_is_a_likelihood():
    with pytest.raises(OptionValueError, match=r"35 can't be used: .* from 0 to 1"):
        TagWords(threshold=35)
    with pytest.raises(OptionValueError, match="allowed are none, first, last"):
        CaptionSettings.of({"captioners": [{"name": "blip"}], "tags": {"rating": "yes"}})
