from __future__ import annotations

import pytest

from train_tools.errors import OptionValueError
from train_tools.grids.expressions import grid_of, items_of, values_of

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
    assert items_of("training_comment", text) == items


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
    assert values_of(name, text) == values


def test_one_step_and_all_steps_are_two_values():
    values = values_of("lr_warmup_steps", "1,1.0,1")
    assert [(value, type(value)) for value in values] == [(1, int), (1.0, float)]
    grid = grid_of({}, {"lr_warmup_steps": (1, 1.0)}, {})
    assert len(grid) == 2


def test_several_values_are_an_axis_and_one_is_none():
    grid = grid_of({"network_dim": 4}, {}, {"network_dim": "8,16", "seed": "7"})
    assert (grid.base, grid.axes) == ({"seed": 7}, {"network_dim": (8, 16)})


def test_what_is_typed_takes_the_place_of_what_is_stored():
    grid = grid_of({"seed": 1}, {"network_dim": (4, 8), "learning_rate": (1e-4, 1e-5)}, {"network_dim": "32"})
    assert (grid.base, grid.axes) == ({"seed": 1, "network_dim": 32}, {"learning_rate": (1e-4, 1e-5)})


def test_stored_lists_and_whole_numbers_become_what_the_options_want():
    grid = grid_of({"text_encoder_lr": [1, 2]}, {"learning_rate": (1, 1.0)}, {})
    assert grid.base == {"text_encoder_lr": (1.0, 2.0), "learning_rate": 1.0}
    assert isinstance(grid.base["learning_rate"], float)


def test_a_stored_axis_without_values_is_told():
    with pytest.raises(OptionValueError, match="network_dim has no value"):
        grid_of({}, {"network_dim": ()}, {})


@pytest.mark.parametrize("name", ["netork_dim", "output_dir", "fp8_base"])
def test_an_option_that_can_not_be_set_is_refused_wherever_it_comes_from(name):
    for options, axes, typed in (({name: 1}, {}, {}), ({}, {name: (1, 2)}, {}), ({}, {}, {name: "1"})):
        with pytest.raises(OptionValueError, match=name):
            grid_of(options, axes, typed)


def test_the_cells_of_a_grid_are_the_product_with_the_first_axis_outermost():
    grid = grid_of({"seed": 1}, {}, {"network_dim": "8,4", "train_batch_size": "2,1"})
    cells = [(cell["network_dim"], cell["train_batch_size"], cell["seed"]) for cell in grid.cells()]
    assert cells == [(8, 2, 1), (8, 1, 1), (4, 2, 1), (4, 1, 1)]
    assert len(grid) == 4


def test_a_grid_without_axes_is_one_cell():
    grid = grid_of({"seed": 1}, {}, {})
    assert (len(grid), list(grid.cells())) == (1, [{"seed": 1}])


def test_a_base_model_with_a_comma_in_its_name_stands_in_quotes():
    grid = grid_of({}, {}, {BASE: '"/a, b.safetensors"'})
    assert grid.base == {BASE: "/a, b.safetensors"}
