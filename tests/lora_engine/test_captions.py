"""What becomes of a caption, rule by rule and in order."""

from random import Random

import pytest

from lora_engine.data.captions import Moment, Tags, chosen, draw_caption, split, thinned, warmed_up
from lora_engine.maths.streams import Streams
from tests.lora_engine.pictures import described


def drawn(caption, moments=range(60), epoch=1, seed=1, **values):
    """What the caption becomes in many draws."""
    item = described(caption=caption, **values)
    return [draw_caption(item, Moment(number, epoch), Streams(seed)) for number in moments]


def at_step(caption, step, total=100, **values):
    item = described(caption=caption, **values)
    return draw_caption(item, Moment(1, 1, step, total), Streams(1))


def test_a_caption_that_nothing_changes_stays_as_it_is():
    assert set(drawn(" a,b ,,c ||| d;;;e ", keep_tokens=1, keep_tokens_separator="|||")) == {" a,b ,,c ||| d;;;e "}


def test_prefix_and_suffix_stand_around_the_caption():
    assert drawn("a", [0], caption_prefix="photo of", caption_suffix="on white") == ["photo of a on white"]
    assert drawn("", [0], caption_prefix="photo") == ["photo"]


def test_every_line_that_may_be_drawn_has_prefix_and_suffix():
    lines = set(drawn("a\nb", caption_prefix="x", enable_wildcard=True))
    assert lines == {"x a", "x b"}


def test_whole_captions_are_dropped_at_the_rate_asked_for():
    empty = drawn("a", range(1000), caption_dropout_rate=0.3, caption_prefix="x").count("")
    assert 250 < empty < 350
    assert set(drawn("a", caption_dropout_rate=1)) == {""}


def test_captions_are_dropped_in_each_nth_epoch_counted_from_1():
    dropped = [drawn("a", [0], epoch=epoch, caption_dropout_every_n_epochs=3)[0] == "" for epoch in range(1, 8)]
    assert dropped == [False, False, True, False, False, True, False]


def test_without_wildcards_the_first_line_counts_and_braces_are_braces():
    assert drawn("{a|b}\nc", [0]) == ["{a|b}"]


def test_wildcards_draw_a_line_and_one_of_each_choice():
    assert set(drawn("a {red|big} cat\na dog", enable_wildcard=True)) == {"a red cat", "a big cat", "a dog"}


@pytest.mark.parametrize(
    ("text", "meant"), [("{{a|b}}", {"{a|b}"}), ("{{{a|b}}}", {"{a}", "{b}"}), ("{}", {"{}"}), ("{a}", {"a"})]
)
def test_doubled_braces_are_braces(text, meant):
    assert {chosen(text, Random(number)) for number in range(20)} == meant


def test_shuffling_moves_the_tags_behind_the_kept_ones():
    assert set(drawn("a, b, c, d", shuffle_caption=True, keep_tokens=2)) == {"a, b, c, d", "a, b, d, c"}
    assert len(set(drawn("a, b, c", shuffle_caption=True))) == 6


def test_the_first_tag_of_a_prefix_counts_among_the_kept():
    assert set(drawn("a, b", shuffle_caption=True, keep_tokens=1, caption_prefix="x,")) == {"x, a, b", "x, b, a"}


def test_tags_are_joined_with_a_comma_whatever_separated_them_and_empty_ones_survive():
    drawn_once = set(drawn("a;b", shuffle_caption=True, caption_separator=";"))
    assert drawn_once == {"a, b", "b, a"}
    assert drawn("a,b,,c", [0], shuffle_caption=True, keep_tokens=4) == ["a, b, , c"]


@pytest.mark.parametrize(
    ("caption", "tags"),
    [
        ("a, b ||| c, d", Tags(("a", "b"), ("c", "d"))),
        ("a ||| b, c ||| d, e", Tags(("a",), ("b", "c"), ("d", "e"))),
        ("||| a, b", Tags((), ("a", "b"))),
        ("a, b, c", Tags(("a",), ("b", "c"))),
    ],
)
def test_a_separator_says_which_tags_stay_and_goes_before_their_number(caption, tags):
    assert split(caption, described(keep_tokens=1, keep_tokens_separator="|||").subset) == tags


def test_the_tags_behind_the_second_separator_stay_at_the_end():
    values = {"shuffle_caption": True, "keep_tokens_separator": "|||"}
    assert set(drawn("a ||| b, c ||| d", **values)) == {"a, b, c, d", "a, c, b, d"}


@pytest.mark.parametrize(("step", "tags"), [(0, 1), (5, 3), (9, 5), (10, 6), (99, 6)])
def test_tags_are_warmed_up_as_sd_scripts_does(step, tags):
    assert at_step("a,b,c,d,e,f", step, token_warmup_step=10).count(",") + 1 == tags


def test_a_warm_up_below_1_is_a_share_of_all_steps_and_kept_tags_always_stay():
    values = {"token_warmup_step": 0.1, "token_warmup_min": 0, "keep_tokens": 2}
    assert at_step("a,b,c,d", 0, **values) == "a, b"
    assert at_step("a,b,c,d", 5, **values) == "a, b, c"
    assert at_step("a,b,c,d", 10, **values) == "a, b, c, d"


def test_fewer_tags_than_the_smallest_number_are_all_used():
    subset = described(token_warmup_step=10, token_warmup_min=5).subset
    assert warmed_up(Tags((), ("a", "b")), subset, Moment(0, 1, 0, 100)).loose == ("a", "b")


def test_tags_are_warmed_up_before_they_are_shuffled():
    item = described(caption="a,b,c,d", token_warmup_step=10, token_warmup_min=2, shuffle_caption=True)
    seen = {draw_caption(item, Moment(number, 1, 0, 100), Streams(1)) for number in range(20)}
    assert seen == {"a, b", "b, a"}


def test_tags_are_dropped_but_never_the_kept_ones():
    texts = drawn("a, b, c", range(300), caption_tag_dropout_rate=0.5, keep_tokens=1)
    assert set(texts) == {"a", "a, b", "a, c", "a, b, c"}
    assert set(drawn("a, b, c", caption_tag_dropout_rate=1, keep_tokens=1)) == {"a"}
    assert len(thinned(Tags((), ("x",) * 1000), 0.3, Random(1)).loose) == pytest.approx(700, abs=50)


def test_the_secondary_separator_joins_words_that_move_as_one_tag():
    assert set(drawn("a, b;;;c", shuffle_caption=True, secondary_separator=";;;")) == {"a, b,c", "b,c, a"}
    assert drawn("a;;;b", [0], secondary_separator=";;;") == ["a,b"]


def test_equal_draws_give_equal_captions_and_other_draws_and_seeds_others():
    values = {"shuffle_caption": True}
    caption = "a, b, c, d, e, f"
    assert drawn(caption, **values) == drawn(caption, **values)
    assert drawn(caption, **values) != drawn(caption, seed=2, **values)


@pytest.mark.parametrize(
    "values",
    [
        {"caption_dropout_rate": 1e-9},
        {"caption_tag_dropout_rate": 1e-9},
        {"enable_wildcard": True},
        {"secondary_separator": ";;;"},
        {"keep_tokens_separator": "|||"},
    ],
)
def test_one_kind_of_chance_does_not_shift_anothers(values):
    caption = "a, b, c, d, e, f"
    assert drawn(caption, shuffle_caption=True, **values) == drawn(caption, shuffle_caption=True)
