"""Captions as tokens: chunks, padding and weights, as sd-scripts makes them."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lora_engine.families.tokens import BEGIN_ID, END_ID, chunks_of, joined_states, stressed, stresses

WORD = 320  # "a" at a word's end


def words(count):
    return " ".join(["a"] * count)


@pytest.mark.parametrize(
    ("caption", "pieces"),
    [
        ("plain text", [("plain text", 1.0)]),
        ("", [("", 1.0)]),
        ("an (important) word", [("an ", 1.0), ("important", 1.1), (" word", 1.0)]),
        ("(open", [("open", 1.1)]),
        ("[faint]", [("faint", 1 / 1.1)]),
        ("(house:1.3)", [("house", 1.3)]),
        ("((a:2) b:0.5)", [("a", 1.0), (" b", 0.5)]),
        (r"\(literal\) \[too\]", [("(literal) [too]", 1.0)]),
        ("a :1.5) b", [("a :1.5) b", 1.0)]),
        ("(x)(y)", [("xy", 1.1)]),
    ],
)
def test_brackets_stress_words(caption, pieces):
    found = stresses(caption)

    assert [text for text, _ in found] == [text for text, _ in pieces]
    assert [weight for _, weight in found] == pytest.approx([weight for _, weight in pieces])


@given(st.text(alphabet="ab ()[]:.\\1-", max_size=30))
def test_any_caption_can_be_stressed(caption):
    pieces = stresses(caption)

    assert all(weight == weight for _, weight in pieces)
    assert not any(first[1] == second[1] for first, second in pairwise(pieces))


def test_a_short_caption_is_one_chunk_padded_with_its_end(tokenizer):
    chunks = chunks_of(tokenizer, ["a"], pad_id=END_ID)

    assert chunks.ids.tolist() == [[[BEGIN_ID, WORD, *([END_ID] * 75)]]]


def test_open_clip_pads_with_zeros_after_one_end(tokenizer):
    chunks = chunks_of(tokenizer, ["a"], pad_id=0)

    assert chunks.ids.tolist() == [[[BEGIN_ID, WORD, END_ID, *([0] * 74)]]]


def test_a_caption_that_is_too_long_is_cut(tokenizer):
    for pad_id in (0, END_ID):
        ids = chunks_of(tokenizer, [words(80)], pad_id=pad_id).ids[0, 0].tolist()
        assert ids == [BEGIN_ID, *([WORD] * 75), END_ID]


def test_every_chunk_begins_and_ends_as_a_caption_of_its_own(tokenizer):
    first, second, third = chunks_of(tokenizer, [words(80)], pad_id=END_ID, max_token_length=225).ids[0].tolist()

    assert first == [BEGIN_ID, *([WORD] * 75), END_ID]
    assert second == [BEGIN_ID, *([WORD] * 5), *([END_ID] * 71)]
    assert third == [BEGIN_ID, *([END_ID] * 76)]


def test_open_clips_chunks_each_get_one_end(tokenizer):
    first, second, third = chunks_of(tokenizer, [words(80)], pad_id=0, max_token_length=225).ids[0].tolist()

    assert first == [BEGIN_ID, *([WORD] * 75), END_ID]
    assert second == [BEGIN_ID, *([WORD] * 5), END_ID, *([0] * 70)]
    assert third == [BEGIN_ID, END_ID, *([0] * 75)]


def test_an_end_that_falls_between_two_chunks_is_in_both(tokenizer):
    first, second = chunks_of(tokenizer, [words(75)], pad_id=0, max_token_length=150).ids[0].tolist()

    assert first[-2:] == [WORD, END_ID]
    assert second == [BEGIN_ID, END_ID, *([0] * 75)]


def test_the_states_of_chunks_are_joined_without_the_ends_between_them():
    states = torch.arange(2 * 2 * 77).reshape(4, 77, 1).float()
    joined = joined_states(states, 2)

    assert joined.shape == (2, 152, 1)
    assert joined[0, :, 0].tolist() == [*range(76), *range(78, 154)]
    assert torch.equal(joined_states(states, 1), states)


def test_weights_stand_with_their_tokens_and_multiply_their_states(tokenizer):
    caption = f"{words(74)} (a a:1.5)"
    chunks = chunks_of(tokenizer, [caption], pad_id=END_ID, max_token_length=150, weighted=True)
    states = stressed(torch.ones(1, 152, 2), chunks.weights)

    assert states[0, :, 0].tolist() == [*([1.0] * 75), 1.5, 1.5, *([1.0] * 75)]


def test_captions_without_brackets_have_the_same_tokens_weighted_or_not(tokenizer):
    plain, weighted = (chunks_of(tokenizer, ["a red: square, a"], pad_id=0, weighted=w) for w in (False, True))

    assert torch.equal(plain.ids, weighted.ids)
    assert set(weighted.weights.flatten().tolist()) == {1.0}
