from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from train_tools.errors import OptionValueError
from train_tools.grids.cells import Count, cells_of, count_cells
from train_tools.grids.expressions import grid_of
from train_tools.model.grid import Rules
from train_tools.options.bundled import bundled_options

TABLE = bundled_options()


def cells(assignments, *shown, options=None, **rules):
    """The values of some options in each cell; without names, the whole cells."""
    found = list(cells_of(TABLE, grid_of(TABLE, options or {}, {}, assignments, Rules(**rules))))
    return [tuple(cell.get(name) for name in shown) for cell in found] if shown else found


def test_a_formula_follows_the_options_it_is_made_of():
    assert cells(
        {
            "unet_lr": "1e-4,2e-4",
            "text_encoder_lr": "=unet_lr/2",
            "network_dim": "16",
            "network_alpha": "=network_dim",
        },
        "unet_lr",
        "text_encoder_lr",
        "network_alpha",
    ) == [(1e-4, (5e-5,), 16.0), (2e-4, (1e-4,), 16.0)]


def test_a_formula_may_be_one_value_of_several():
    assert cells({"network_dim": "8", "network_alpha": "1, =network_dim/2"}, "network_alpha") == [(1.0,), (4.0,)]


def test_formulas_may_use_formulas_and_defaults():
    assert cells({"max_train_steps": "=save_every_n_steps*10", "save_every_n_steps": "=train_batch_size*2"}) == [
        {"max_train_steps": 20, "save_every_n_steps": 2}
    ]
    assert cells({"network_dim": "=max(4, round(9/2))"}, "network_dim") == [(4,)]


@pytest.mark.parametrize(
    ("assignments", "told"),
    [
        ({"network_dim": "=network_alpha", "network_alpha": "=network_dim"}, "network_dim depends on itself: "),
        ({"seed": "=seed+1"}, "seed depends on itself: seed -> seed"),
        (
            {"network_dim": "=seed/2", "seed": "7"},
            r"network_dim = 3.5: .* Put round\( \) around it",
        ),
        ({"network_dim": "=seed/0", "seed": "7"}, "can't be computed with seed = 7: division by zero"),
        ({"network_dim": "=unet_lr", "unet_lr": "1e-4"}, "network_dim = 0.0001: a whole number"),
        ({"text_encoder_lr": "=unet_lr/2"}, "unet_lr is not set. Give it a value"),
        ({"network_dim": "=optimizer_type+1"}, "optimizer_type = AdamW.* is no number"),
        ({"network_dim": "=1-5"}, "network_dim = -4 is too small"),
    ],
)
def test_a_formula_without_a_value_is_told(assignments, told):
    with pytest.raises(OptionValueError, match=told):
        cells(assignments)


@pytest.mark.parametrize(
    ("formula", "told"),
    [
        ("=unet_l/2", "unet_l"),
        ("=unet_lr/", "character"),
        ("=unet_lr**2", "can't stand in a formula"),
        ("=__import__('os')", "can't stand in a formula"),
        ("=unet_lr.real", "character 2: this can't stand"),
        ("=[unet_lr]", "can't stand in a formula"),
        ("='8'", "can't stand in a formula"),
        ("=min", "can't stand in a formula"),
        ("=max(1, key=2)", "can't stand in a formula"),
        ("=" + "(" * 300 + "1" + ")" * 300, "at most 500 characters"),
        ("=", "no formula"),
    ],
)
def test_nothing_but_arithmetic_is_understood(formula, told):
    with pytest.raises(OptionValueError, match=told):
        cells({"learning_rate": formula})


def test_axes_that_are_zipped_go_together():
    typed = {"unet_lr": "1e-4,2e-4", "network_dim": "8,16", "network_alpha": "4,8"}
    together = (("network_dim", "network_alpha"),)
    assert cells(typed, "unet_lr", "network_dim", "network_alpha", zipped=together) == [
        (1e-4, 8, 4.0),
        (1e-4, 16, 8.0),
        (2e-4, 8, 4.0),
        (2e-4, 16, 8.0),
    ]
    with pytest.raises(OptionValueError, match="need equally many values: network_dim has 3, network_alpha has 2"):
        cells({**typed, "network_dim": "8,16,32"}, zipped=together)
    with pytest.raises(OptionValueError, match="network_alpha has 0"):
        cells({"network_dim": "8,16"}, zipped=together)


def test_an_option_is_set_only_where_its_condition_holds():
    typed = {"lr_scheduler": "cosine,polynomial", "lr_scheduler_power": "1,2"}
    rules = {"only_when": {"lr_scheduler_power": "lr_scheduler=polynomial"}}
    assert cells(typed, **rules) == [
        {"lr_scheduler": "cosine"},
        {"lr_scheduler": "polynomial", "lr_scheduler_power": 1.0},
        {"lr_scheduler": "polynomial", "lr_scheduler_power": 2.0},
    ]
    assert count_cells(TABLE, grid_of(TABLE, {}, {}, typed, Rules(**rules))) == Count(3, exact=True)


def test_a_condition_on_itself_is_told():
    circle = {"seed": "network_dim=4", "network_dim": "seed=1"}
    with pytest.raises(
        OptionValueError, match="network_dim depends on itself: network_dim -> seed -> network_dim"
    ):
        cells({"seed": "1,2"}, only_when=circle, options={"network_dim": 4})


@pytest.mark.parametrize(
    ("condition", "left"),
    [
        ("network_dim=8", [(16, 1), (16, 2), (32, 1), (32, 2)]),
        ("network_dim=8|16", [(32, 1), (32, 2)]),
        ("network_dim!=8|16", [(8, 1), (8, 2), (16, 1), (16, 2)]),
        ("network_dim>=16 and seed=2", [(8, 1), (8, 2), (16, 1), (32, 1)]),
        ("network_dim<32 and seed<2", [(8, 2), (16, 2), (32, 1), (32, 2)]),
        ("learning_rate=1e-3", [(8, 1), (8, 2), (16, 1), (16, 2), (32, 1), (32, 2)]),
    ],
)
def test_cells_that_meet_an_exclusion_are_left_out(condition, left):
    assert cells({"network_dim": "8,16,32", "seed": "1,2"}, "network_dim", "seed", exclude=(condition,)) == left


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("network_dim", "character 1: 'network_dim' is none: a condition is name=value"),
        ("seed=1 and ", "character"),
        ("seed=1 and netork_dim=8", "character 12: .*netork_dim"),
        ("network_dim=many", "network_dim = many: a whole number is wanted"),
        ("optimizer_type<Lion", "< compares one number"),
        ("network_dim<8|16", "< compares one number"),
    ],
)
def test_a_condition_that_is_not_understood_is_told(condition, told):
    with pytest.raises(OptionValueError, match=told):
        cells({"network_dim": "8,16"}, exclude=(condition,))


def test_a_grid_of_which_nothing_is_left_is_told():
    with pytest.raises(OptionValueError, match="no runs: each of its 2 cells is excluded by seed=1"):
        cells({"network_dim": "8,16"}, exclude=("seed=1",), options={"seed": 1})


def test_runs_are_repeated_over_seeds():
    assert cells({"network_dim": "8,16", "seed": "5"}, "network_dim", "seed", seeds=3) == [
        (8, 5),
        (8, 6),
        (8, 7),
        (16, 5),
        (16, 6),
        (16, 7),
    ]
    with pytest.raises(OptionValueError, match="repeats over seeds the option seed has to be a number"):
        cells({"network_dim": "8,16"}, seeds=2)


def test_one_more_run_shows_what_chance_does():
    assert cells({"network_dim": "8,16", "seed": "5"}, "network_dim", "seed", other_seed=True) == [
        (8, 5),
        (16, 5),
        (8, 6),
    ]


def test_a_sample_is_drawn_by_its_seed_and_keeps_the_order():
    typed = {"network_dim": "1..50", "seed": "1..4"}
    some, again, others = (cells(typed, "network_dim", "seed", sample=10, sample_seed=seed) for seed in (1, 1, 2))
    assert some == again != others
    assert len(some) == 10
    assert some == sorted(some)
    assert len(cells(typed, sample=1000)) == 200


AXES = st.dictionaries(
    st.sampled_from(["network_dim", "train_batch_size", "keep_tokens", "seed"]),
    st.lists(st.integers(1, 9), min_size=1, max_size=4, unique=True),
    max_size=3,
)


@given(AXES)
def test_the_cells_are_the_product_of_what_was_typed(axes):
    typed = {name: ", ".join(map(str, values)) for name, values in axes.items()}
    found = [tuple(cell[name] for name in axes) for cell in cells(typed)]
    several = [name for name in axes if len(axes[name]) > 1]
    assert sorted(found) == sorted(itertools.product(*axes.values()))
    by_axis = [tuple(cell[name] for name in several) for cell in cells(typed)]
    assert by_axis == list(itertools.product(*(axes[name] for name in several)))


@given(AXES, st.sampled_from(["seed=1", "network_dim<5", "keep_tokens!=2 and seed>3"]), st.integers(0, 5))
def test_what_is_counted_is_what_there_is(axes, condition, sample):
    typed = {name: ", ".join(map(str, values)) for name, values in axes.items()}
    grid = grid_of(TABLE, {"seed": 9}, {}, typed, Rules(exclude=(condition,), sample=sample))
    try:
        found = list(cells_of(TABLE, grid))
    except OptionValueError as error:
        assert "no runs" in str(error)
        return
    assert count_cells(TABLE, grid) == Count(len(found), exact=True)
    assert all(not sample or len(found) <= sample for _ in found)
