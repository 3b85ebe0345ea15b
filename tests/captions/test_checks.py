from __future__ import annotations

from dataclasses import replace

import pytest

from train_tools.captions.checks import check_captions, obeys
from train_tools.model.base_model import CaptionStyle, StyleOfModel
from train_tools.model.captions import Trigger

ALICE = Trigger(policy="prefix", words="alice, {class}")
TAUGHT_WITH_TAGS = StyleOfModel(style=CaptionStyle.TAGS, reason="it is called anime")


def kinds(check):
    return [problem.kind for problem in check.problems]


@pytest.mark.parametrize(
    ("policy", "caption", "obedient"),
    [
        ("prefix", "alice, red dress, smile", True),
        ("prefix", "Alice, red_dress", True),
        ("prefix", "red dress, alice, smile", False),
        ("prefix", "alice, smile, red dress", False),
        ("prefix", "alice", False),
        ("prefix", None, False),
        ("class_only", "smile", True),
        ("class_only", "smile, alice", False),
        ("class_only", None, True),
        ("none", "anything", True),
    ],
)
def test_a_caption_obeys_the_policy_or_not(one, policy, caption, obedient):
    trigger = Trigger(policy=policy, words="alice, {class}")
    assert obeys(one(caption, "3_red dress/a.png"), trigger) is obedient


def test_the_coverage_and_the_number_of_words_are_told(one):
    images = [
        one("alice, cat, a"),
        one("alice, cat", "10_cat/b.png"),
        one("cat", "10_cat/c.png"),
        one("alice, cat, b"),
    ]
    check = check_captions(images, ALICE)
    assert (check.coverage, check.trigger_words, kinds(check)) == (0.75, 2, ["trigger"])
    assert check.problems[0].images == ("10_cat/c.png",)


def test_folders_with_other_numbers_of_words_are_named(one):
    trigger = Trigger(policy="prefix", words="alice", classes={"dress": "alice, dress"})
    check = check_captions([one("alice, x"), one("alice, dress, x", "3_dress/b.png")], trigger)
    assert (kinds(check), check.trigger_words) == (["trigger_count"], 0)


def test_no_captions_at_all_is_a_notice_with_what_is_taken_for_them(one):
    check = check_captions([one(None), one(None, "6_photo/b.png")], Trigger())
    assert kinds(check) == ["no_captions"]
    assert "is then taken for its class, cat, photo" in check.problems[0].sentence
    assert (check.without_file, check.coverage) == (2, None)


def test_missing_and_empty_captions_are_two_things(one):
    check = check_captions([one("a, b"), one(None, "6_photo/b.png"), one("", "6_photo/c.png")], Trigger())
    assert kinds(check) == ["uncaptioned", "empty"]
    assert "as 'photo'" in check.problems[0].sentence


def test_captions_that_can_t_be_read_are_told(one):
    illegible = replace(one("x"), caption=None, problem="The caption is not UTF-8 text.")
    assert kinds(check_captions([illegible], Trigger())) == ["illegible"]
    assert kinds(check_captions([replace(one("x"), size=None)], Trigger())) == ["no_image"]


def test_captions_read_otherwise_than_the_base_model_was_taught_with(one):
    prose = [one("A woman is walking through the rain."), one("a cat sitting on a mat"), one("a, b")]
    check = check_captions(prose, Trigger(), TAUGHT_WITH_TAGS)
    assert (check.style, kinds(check)) == ("prose", ["style"])
    assert "2 of 3 captions are prose, but the base model was taught with tags" in check.problems[0].sentence
    assert kinds(check_captions([one("a, b")], Trigger(), TAUGHT_WITH_TAGS)) == []


def test_spellings_that_cost_are_told(one):
    assert kinds(check_captions([one("long_hair, a")], Trigger())) == ["underscores"]
    assert kinds(check_captions([one("^_^, a")], Trigger())) == []
    assert kinds(check_captions([one("a, b, A")], Trigger())) == ["repeated"]
    assert kinds(check_captions([one("a, b\nc")], Trigger())) == ["lines"]


def test_the_broadest_class_is_advised(one):
    check = check_captions([one("a, b", "10_old lady/a.png")], Trigger())
    assert kinds(check) == ["class"]
    assert "the broadest word teaches best: woman" in check.problems[0].sentence
