from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from train_tools.errors import OptionValueError
from train_tools.grids.cells import cells_of, product_size
from train_tools.grids.expressions import grid_of, items_of, values_of
from train_tools.model import expressions
from train_tools.model.grid import Formula
from train_tools.options.bundled import bundled_options

TABLE = bundled_options()
BASE = "pretrained_model_name_or_path"


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("8", ("8",)),
        ("8,16", ("8", "16")),
        (" 8 ,  16 ", ("8", "16")),
        ('"512,768", 1024', ("512,768", "1024")),
        ('"it said ""no"""', ('it said "no"',)),
        ("it's, кот 🐈", ("it's", "кот 🐈")),
        (r"C:\models\a.safetensors", (r"C:\models\a.safetensors",)),
    ],
)
def test_items_are_what_stands_between_commas_outside_quotes(text, items):
    assert tuple(item.text for item in items_of("training_comment", text)) == items


@pytest.mark.parametrize("text", ["", "  ", ",", "8,", ",8", "8,,16", '8,""', '"512,768', '"512"768', "8\n16"])
def test_an_empty_item_or_an_open_quote_is_told_with_the_option(text):
    with pytest.raises(OptionValueError, match=r"^network_dim = "):
        items_of("network_dim", text)


@pytest.mark.parametrize(
    ("name", "text", "values"),
    [
        ("network_dim", "16,8,16,08", (16, 8)),
        ("learning_rate", "1e-4, 0.0001, 1e-5", (1e-4, 1e-5)),
        ("optimizer_type", "adamw,AdamW", ("AdamW",)),
        ("shuffle_caption", "false,true", (False, True)),
    ],
)
def test_values_keep_their_order_and_come_once_however_they_are_spelt(name, text, values):
    assert values_of(TABLE, name, text) == values


def test_one_step_and_all_steps_are_two_values():
    values = values_of(TABLE, "lr_warmup_steps", "1,1.0,1")
    assert [(value, type(value)) for value in values] == [(1, int), (1.0, float)]
    grid = grid_of(TABLE, {}, {"lr_warmup_steps": (1, 1.0)}, {})
    assert product_size(grid) == len(list(cells_of(TABLE, grid))) == 2


def test_several_values_are_an_axis_and_one_is_none():
    grid = grid_of(TABLE, {"network_dim": 4}, {}, {"network_dim": "8,16", "seed": "7"})
    assert (grid.base, grid.axes) == ({"seed": 7}, {"network_dim": (8, 16)})


def test_what_is_typed_takes_the_place_of_what_is_stored():
    grid = grid_of(
        TABLE, {"seed": 1}, {"network_dim": (4, 8), "learning_rate": (1e-4, 1e-5)}, {"network_dim": "32"}
    )
    assert (grid.base, grid.axes) == ({"seed": 1, "network_dim": 32}, {"learning_rate": (1e-4, 1e-5)})


def test_stored_lists_and_whole_numbers_become_what_the_options_want():
    grid = grid_of(TABLE, {"text_encoder_lr": [1, 2]}, {"learning_rate": (1, 1.0)}, {})
    assert grid.base == {"text_encoder_lr": (1.0, 2.0), "learning_rate": 1.0}
    assert isinstance(grid.base["learning_rate"], float)


def test_a_stored_axis_without_values_is_told():
    with pytest.raises(OptionValueError, match="network_dim has no value"):
        grid_of(TABLE, {}, {"network_dim": ()}, {})


@pytest.mark.parametrize("name", ["netork_dim", "output_dir", "full_fp16"])
def test_an_option_that_can_not_be_set_is_refused_wherever_it_comes_from(name):
    for options, axes, typed in (({name: 1}, {}, {}), ({}, {name: (1, 2)}, {}), ({}, {}, {name: "1"})):
        with pytest.raises(OptionValueError, match=name):
            grid_of(TABLE, options, axes, typed)


def test_the_cells_of_a_grid_are_the_product_with_the_first_axis_outermost():
    grid = grid_of(TABLE, {"seed": 1}, {}, {"network_dim": "8,4", "train_batch_size": "2,1"})
    cells = [(cell["network_dim"], cell["train_batch_size"], cell["seed"]) for cell in cells_of(TABLE, grid)]
    assert cells == [(8, 2, 1), (8, 1, 1), (4, 2, 1), (4, 1, 1)]
    assert product_size(grid) == 4


def test_a_grid_without_axes_is_one_cell():
    grid = grid_of(TABLE, {"seed": 1}, {}, {})
    assert (product_size(grid), list(cells_of(TABLE, grid))) == (1, [{"seed": 1}])


def test_a_base_model_with_a_comma_in_its_name_stands_in_quotes():
    grid = grid_of(TABLE, {}, {}, {BASE: '"/a, b.safetensors"'})
    assert grid.base == {BASE: "/a, b.safetensors"}


@pytest.mark.parametrize(
    ("name", "text", "values"),
    [
        ("network_dim", "1..3", (1, 2, 3)),
        ("network_dim", "3..1, 8", (3, 2, 1, 8)),
        ("network_dim", "8:64:*2", (8, 16, 32, 64)),
        ("network_dim", "64:8:/2", (64, 32, 16, 8)),
        ("network_dim", "4:4:*2", (4,)),
        ("network_dim", "4:8:2", (4, 6, 8)),
        ("network_dim", "8:4:2", (8, 6, 4)),
        ("caption_dropout_rate", "0:1:0.25", (0.0, 0.25, 0.5, 0.75, 1.0)),
        ("caption_dropout_rate", "0:1:lin3", (0.0, 0.5, 1.0)),
        ("learning_rate", "1e-5:1e-4:log3", (1e-5, 3.16228e-5, 1e-4)),
        ("learning_rate", "1e-4:1e-6:/10", (1e-4, 1e-5, 1e-6)),
        ("text_encoder_lr", "1e-5:1e-4:*10", ((1e-5,), (1e-4,))),
        ("lr_warmup_steps", "0:0.2:0.1", (0, 0.1, 0.2)),
        ("network_dim", "1:100:log3", (1, 10, 100)),
        ("network_dim", "10:30:*3", (10, 30)),
    ],
)
def test_a_range_has_both_its_ends(name, text, values):
    assert values_of(TABLE, name, text) == values


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a..b", r"network_dim = a..b: character 1: a..b: a range a..b needs whole numbers, as in 1..3"),
        ("8, 1..", "character 4: "),
        ("1:2", "character 1: 1:2 is no range. Ranges are 1..3, 0:1:0.25"),
        ("8:50:*2", "does not end at 50: 32 comes before and 64 after"),
        ("8:64:*1", "the end is never reached"),
        ("8:64:0", "the end is never reached"),
        ("8:64:/2", "one gets away from 64"),
        ("x:64:2", "'x' in x:64:2 is no number"),
        ("8:inf:2", "'inf' in 8:inf:2 is no number"),
        ("8:64:log1", "2 or more are wanted"),
        ("0:64:log3", "above 0"),
        ("1..100000", "more than 10,000 values"),
        ("0:1:0.0000001", "more than 10,000 values|whole number"),
        ("4, 1:2:0.25", r"network_dim = 1.25: a whole number.*character 4"),
    ],
)
def test_a_range_that_is_none_is_told_with_the_character(text, told):
    with pytest.raises(OptionValueError, match=told):
        values_of(TABLE, "network_dim", text)


def test_only_numbers_have_ranges_and_quotes_make_text():
    assert values_of(TABLE, "training_comment", "1..3") == ("1..3",)
    assert values_of(TABLE, "training_comment", 'a:b:c, "=x"') == ("a:b:c", "=x")
    assert values_of(TABLE, "learning_rate", "=unet_lr/2, =max(unet_lr, 1e-4)") == (
        Formula("unet_lr/2"),
        Formula("max(unet_lr, 1e-4)"),
    )


def test_values_that_stand_twice_are_told():
    assert grid_of(TABLE, {}, {}, {"network_dim": "8,16,8"}).notes == (
        "network_dim = 8,16,8: 1 of the values stand there more than once and count once.",
    )


NUMBERS = st.floats(1e-12, 1e12) | st.integers(1, 10**9).map(float)


@given(NUMBERS, NUMBERS, st.integers(2, 40), st.sampled_from(["log", "lin"]))
def test_a_spread_begins_and_ends_where_it_says(first, last, count, scale):
    values = values_of(TABLE, "learning_rate", f"{first!r}:{last!r}:{scale}{count}")
    assert (values[0], values[-1]) == (first, last)
    assert len(values) <= count
    assert all(min(first, last) * 0.99999 <= value <= max(first, last) * 1.00001 for value in values)


@given(st.integers(1, 1000), st.integers(1, 50), st.integers(0, 30))
def test_steps_of_whole_numbers_are_exact(first, by, count):
    last = first + by * count
    wanted = tuple(dict.fromkeys(range(first, last + 1, by)))
    assert values_of(TABLE, "network_dim", f"{first}:{last}:{by}") == wanted


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5))
def test_any_texts_survive_being_quoted(texts):
    typed = ", ".join('"' + text.replace('"', '""') + '"' for text in texts)
    assert tuple(item.text for item in items_of("training_comment", typed)) == tuple(texts)


@given(st.text(max_size=30))
def test_whatever_is_typed_is_understood_or_told(text):
    for name in ("network_dim", "learning_rate", "training_comment", "optimizer_args"):
        try:
            assert values_of(TABLE, name, text)
        except OptionValueError as error:
            assert str(error).startswith(name)


def test_what_is_typed_over_need_not_be_right():
    """Options that were stored for another commit of a trainer can be mended by typing."""
    with pytest.raises(OptionValueError, match="gone"):
        grid_of(TABLE, {"gone": 1}, {}, {})
    with pytest.raises(OptionValueError, match="network_dim"):
        grid_of(TABLE, {"network_dim": "eight"}, {}, {"seed": "4"})
    stored = {"network_dim": "eight", "seed": 3}
    grid = grid_of(TABLE, stored, {"unet_lr": ("fast",)}, {"network_dim": "8,16", "unet_lr": "1e-4"})
    assert (dict(grid.base), dict(grid.axes)) == ({"seed": 3, "unet_lr": 1e-4}, {"network_dim": (8, 16)})


@pytest.mark.parametrize("prompts", [("red", "blue"), ("a red box",), ("1girl, red", "it's"), ("red",)])
def test_prompts_read_back_as_they_were(prompts):
    assert values_of(TABLE, "original_prompt", expressions.typed((prompts,))) == (prompts,)
