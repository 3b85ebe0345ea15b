from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lora_engine.families.tokens import make_tokenizer
from train_tools.captions.tokens import TokenCounter, token_problems


@pytest.fixture(scope="module")
def counter():
    return TokenCounter()


@pytest.fixture(scope="module")
def trainers():
    """The tokenizer that a training counts with."""
    return make_tokenizer(None, None)


@settings(max_examples=200)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_tokens_are_counted_as_the_trainer_counts_them(counter, trainers, text):
    read, cut = counter.cut_at(text, 10_000)
    assert (read, cut) == (text, "")
    assert counter.count(text) == len(trainers(text, add_special_tokens=False).input_ids)


def test_what_lies_beyond_a_length_is_shown(counter):
    assert counter.cut_at("one two three, four five six", 4) == ("one two three, ", "four five six")


@pytest.mark.parametrize(("words", "length"), [(75, 75), (76, 150), (150, 150), (151, 225), (226, 225)])
def test_the_length_that_holds_all_captions_is_proposed(counter, one, words, length):
    report = counter.report([one("cat"), one(" ".join(["dog"] * words), "10_cat/b.png")])
    assert (report.longest, report.max_token_length) == (words, length)
    assert (report.counts[0].image, report.counts[0].tokens) == ("10_cat/b.png", words)
    assert report.over == {limit: int(words > limit) for limit in (75, 150, 225)}


def test_what_no_training_reads_is_told(counter, one):
    report = counter.report([one(" ".join(["dog"] * 225 + ["cat", "bird"]))])
    assert report.counts[0].cut == "cat bird"
    (problem,) = token_problems(report, 225)
    assert "shorten them" in problem.sentence
    (problem,) = token_problems(report, 75)
    assert "Set max_token_length to 225" in problem.sentence
    assert list(token_problems(counter.report([one("cat")]), 75)) == []


def test_an_image_without_a_caption_has_its_class_as_one(counter, one):
    assert counter.report([one(None, "6_photo/a.png")]).longest == 1
    assert counter.report([]).longest == 0
