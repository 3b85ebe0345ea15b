from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from train_tools.captions.filters import filter_of
from train_tools.errors import OptionValueError
from train_tools.model.captions import NO_FILE, CaptionedImage

NAMES = ("cat", "dog", "long hair", "saber (fate)")


def image_with(caption):
    return CaptionedImage(
        image="10_red cat/00001-0-Tom.png",
        class_name="red cat",
        caption=caption,
        edition=NO_FILE if caption is None else "1",
        size=(8, 8),
    )


@pytest.mark.parametrize(
    ("text", "caption", "found"),
    [
        ("", "cat", True),
        ("cat", "1girl, Cat", True),
        ("cat", "cats, catalogue", False),
        ("long_hair", "long hair", True),
        ("long hair AND NOT dog", "long hair, cat", True),
        ("long hair AND NOT dog", "long hair, dog", False),
        ("cat AND dog OR bird", "bird", True),
        ("cat AND (dog OR bird)", "bird", False),
        ("saber (fate)", r"saber \(fate\)", True),
        (r"saber \(fate\) AND NOT x", "saber (fate)", True),
        ("*hair", "red, long hair", True),
        ("*hair", "hair band", False),
        ('"*hair"', "long hair", False),
        ('"this AND that"', "this AND that, x", True),
        ("text:sitting on", "A woman is SITTING ON a bench.", True),
        ('text:"on a"', "A woman is sitting on a bench.", True),
        ("sitting", "A woman is sitting on a bench.", False),
        ("name:tom AND class:red", "x", True),
        ("name:jerry", "x", False),
        ("is:uncaptioned", None, True),
        ("is:uncaptioned", "", False),
        ("is:empty", "", True),
        ("is:prose", "A woman is sitting on a bench.", True),
        ("is:tags", "A woman is sitting on a bench.", False),
        ("is:illegible", None, False),
        ("NOT NOT cat", "cat", True),
        ("[x]? AND a*", "[x]?, abc", True),
    ],
)
def test_a_filter_means_what_it_says(text, caption, found):
    assert filter_of(text)(image_with(caption)) is found


@pytest.mark.parametrize(
    "text",
    [
        *("cat AND", "AND cat", "(cat", "cat)", "cat NOT dog", '"cat', "is:blue", "()", "a\\"),
        *("(" * 100 + "x", "NOT " * 300 + "x", "x" * 3000),
    ],
)
def test_what_can_t_be_read_is_told(text):
    with pytest.raises(OptionValueError):
        filter_of(text)


def test_the_place_is_told():
    with pytest.raises(OptionValueError, match=r"at letter 9: a tag is expected instead of \)"):
        filter_of("cat AND )")


TREES = st.recursive(
    st.sampled_from(NAMES),
    lambda inner: st.tuples(st.just("NOT"), inner) | st.tuples(st.sampled_from(("AND", "OR")), inner, inner),
    max_leaves=8,
)


def written(tree):
    if isinstance(tree, str):
        return tree
    if tree[0] == "NOT":
        return f"NOT ({written(tree[1])})"
    return f"({written(tree[1])}) {tree[0]} ({written(tree[2])})"


def meant(tree, tags):
    if isinstance(tree, str):
        return tree in tags
    if tree[0] == "NOT":
        return not meant(tree[1], tags)
    return (all if tree[0] == "AND" else any)(meant(part, tags) for part in tree[1:])


@given(TREES, st.sets(st.sampled_from(NAMES)))
def test_every_filter_finds_what_it_says(tree, tags):
    assert filter_of(written(tree))(image_with(", ".join(sorted(tags)))) is meant(tree, tags)


@given(st.text(alphabet='ab AND OR NOT()":*\\', max_size=40))
def test_any_text_is_a_filter_or_an_error_in_words(text):
    try:
        assert filter_of(text)(image_with("a, b")) in (True, False)
    except OptionValueError as error:
        assert "filter" in str(error)
