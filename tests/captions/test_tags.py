from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from train_tools.captions.tags import parts_of, plain, spaced, style_of, tags_of, with_tags
from train_tools.model.base_model import CaptionStyle

WORD = st.text(st.characters(exclude_characters=",.!?\r\n", exclude_categories=["Cc", "Cs", "Z"]), min_size=1)
TAGS = st.lists(st.lists(WORD, min_size=1, max_size=2).map(" ".join), max_size=8)


@given(TAGS)
def test_tags_come_back_as_they_were_written(tags):
    assert list(parts_of(", ".join(tags)).tags) == tags
    assert parts_of(", ".join(tags)).text == ", ".join(tags)


@given(st.text(max_size=200))
def test_a_caption_whose_tags_stay_stays(text):
    lines = [line for line in text.splitlines() if line.strip()]
    assert with_tags(text, lambda tags: tags) == "\n".join(lines)


@pytest.mark.parametrize(
    ("caption", "tags", "prose"),
    [
        ("1girl, long hair,smile ,", ("1girl", "long hair", "smile"), ""),
        ("alice, A woman sits on a bench, smiling.", ("alice",), "A woman sits on a bench, smiling."),
        ("a photo of a cat, outdoors", (), "a photo of a cat, outdoors"),
        (
            "lily of the valley, hand on another's shoulder",
            ("lily of the valley", "hand on another's shoulder"),
            "",
        ),
        ("", (), ""),
        (" , ,", (), ""),
    ],
)
def test_sentences_are_no_tags(caption, tags, prose):
    assert (parts_of(caption).tags, parts_of(caption).prose) == (tags, prose)


def test_each_line_has_its_tags():
    assert tags_of("cat, red\n\ndog") == ("cat", "red", "dog")
    assert with_tags("cat, red\n\ndog", lambda tags: ("x", *tags)) == "x, cat, red\nx, dog"


def test_spellings_of_a_tag_are_one():
    assert plain("Long_Hair") == plain("long  hair")
    assert plain(r"saber \(fate\)") == plain("saber (fate)")
    assert plain("^_^") == "^_^"
    assert spaced("long_hair") == "long hair"
    assert spaced(">_<") == ">_<"


@pytest.mark.parametrize(
    ("caption", "style"),
    [
        ("1girl, solo, long hair", CaptionStyle.TAGS),
        ("long_hair, a_very_long_tag_of_many_words_with_the_article_the", CaptionStyle.TAGS),
        ("A woman in a red dress is walking through the rain.", CaptionStyle.PROSE),
        ("alice, a woman sitting on a bench", CaptionStyle.PROSE),
        ("alice", None),
        ("", None),
    ],
)
def test_a_caption_is_tags_or_prose(caption, style):
    assert style_of(caption) is style
