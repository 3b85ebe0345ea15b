from __future__ import annotations

import pytest

from train_tools.captions.operations import Pattern, applied, operation_of
from train_tools.errors import OptionValueError
from train_tools.model.captions import CaptionEdit, Trigger

ALICE = Trigger(policy="prefix", words="alice, {class}", classes={"red dress": "alice, dress"})


@pytest.mark.parametrize(
    ("edit", "before", "after"),
    [
        ({"kind": "add", "put": "x, cat"}, "cat, red", "cat, red, x"),
        ({"kind": "add", "put": "x, cat", "front": True}, "red, cat", "x, cat, red"),
        ({"kind": "add", "put": "x"}, None, "x"),
        ({"kind": "add", "put": "x"}, "cat, A woman sits there.", "cat, x, A woman sits there."),
        ({"kind": "remove", "put": "long_hair, cat"}, "cat, Long Hair, red", "red"),
        ({"kind": "remove", "put": "cat"}, "cat", ""),
        ({"kind": "remove", "put": "cat"}, "a photo of a cat, cat", "a photo of a cat, cat"),
        ({"kind": "replace", "find": "cat", "put": "kitten"}, "red, cat", "red, kitten"),
        ({"kind": "replace", "find": "cat", "put": "red"}, "red, cat", "red"),
        ({"kind": "replace", "find": "cat", "put": "big, kitten"}, "cat, x", "big, kitten, x"),
        ({"kind": "replace", "find": "cat"}, "red, cat", "red"),
        ({"kind": "replace", "find": "dog", "put": "x"}, "red ,  cat", "red ,  cat"),
        ({"kind": "sort"}, "b, c, a", "a, b, c"),
        ({"kind": "sort"}, "cat, alice, b, a", "cat, alice, a, b"),
        ({"kind": "sort", "commonest_first": True}, "a, b, common", "common, b, a"),
        ({"kind": "dedupe"}, "a, b, A, c, b", "a, b, c"),
        ({"kind": "dedupe"}, "a,b", "a,b"),
        ({"kind": "spaces"}, "long_hair, ^_^, a b", "long hair, ^_^, a b"),
        ({"kind": "underscores"}, "long hair, x", "long_hair, x"),
        ({"kind": "write", "put": "one"}, "other", "one"),
        ({"kind": "trigger"}, "red, cat", "alice, cat, red"),
        ({"kind": "trigger"}, None, "alice, cat"),
        ({"kind": "pattern", "find": r"(\w+) hair", "put": r"hair that is \1"}, "long hair", "hair that is long"),
        (
            {"kind": "pattern", "find": "CAT", "put": "dog", "any_case": True},
            "A cat sits there.",
            "A dog sits there.",
        ),
        ({"kind": "add", "put": "x"}, "a, b\nc, d", "a, b, x\nc, d, x"),
    ],
)
def test_a_caption_becomes(edit, before, after, one):
    images = [one("common, x"), one("common"), one("b")]
    assert applied(operation_of(CaptionEdit(**edit), ALICE, images), one(before)) == after


def test_folders_have_trigger_words_of_their_own(one):
    operation = operation_of(CaptionEdit(kind="trigger"), ALICE, [])
    assert applied(operation, one("smile", "3_red dress/a.png")) == "alice, dress, smile"
    only_class = Trigger(policy="class_only", words="alice")
    assert applied(operation_of(CaptionEdit(kind="trigger"), only_class, []), one("red, alice")) == "red"


@pytest.mark.parametrize(
    "edit",
    [
        {"kind": "shout"},
        {"kind": "add", "put": " , "},
        {"kind": "remove"},
        {"kind": "replace", "put": "x"},
        {"kind": "replace", "find": "a, b", "put": "x"},
        {"kind": "pattern", "find": "("},
        {"kind": "pattern", "find": ""},
        {"kind": "pattern", "find": "x" * 2000},
        {"kind": "trigger"},
    ],
)
def test_what_can_t_be_done_is_told(edit):
    with pytest.raises(OptionValueError):
        operation_of(CaptionEdit(**edit), Trigger(), [])


def test_a_pattern_with_a_group_that_is_not_there_is_told(one):
    with pytest.raises(OptionValueError, match="group"):
        applied(Pattern("a", r"\3"), one("a"))


def test_a_pattern_that_takes_for_ever_is_given_up(one):
    pattern = Pattern(r"(a|aa|a?)+(b|c)+$", "x", patience_s=0.2)
    with pytest.raises(OptionValueError, match=r"given up at 10_cat/a\.png after 0\.2 s"):
        for _ in range(1000):
            applied(pattern, one("a" * 5000))


def test_captions_don_t_grow_without_end(one):
    with pytest.raises(OptionValueError, match="20,000 are allowed"):
        applied(Pattern("a", "y" * 900), one("a" * 100))


@pytest.mark.parametrize(
    "fields", [{"policy": "sometimes"}, {"policy": "prefix"}, {"policy": "class_only", "words": " "}]
)
def test_a_trigger_needs_words_and_a_known_policy(fields):
    with pytest.raises(OptionValueError):
        Trigger(**fields)
