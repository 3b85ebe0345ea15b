"""What options do to scores, against runs that differ in their seed alone."""

from __future__ import annotations

import pytest

from tests.scoring.test_suggestion import score, scored
from train_tools.scoring.main_effects import RunOfGrid, main_effects, seed_noise


def run(value: float, scorer: str = "fixed-noise", **varied: object) -> RunOfGrid:
    worse = value - 0.05 if scorer == "fixed-noise" else value + 0.05
    checkpoints = [scored("early", score(scorer, worse)), scored("late", score(scorer, value))]
    return RunOfGrid(name=str(varied), varied=varied, checkpoints=checkpoints)


GRID = [
    run(0.30, network_dim=8, learning_rate=1e-4, seed=1),
    run(0.32, network_dim=16, learning_rate=1e-4, seed=1),
    run(0.60, network_dim=8, learning_rate=1e-3, seed=1),
    run(0.61, network_dim=16, learning_rate=1e-3, seed=1),
]
OTHER_SEED = run(0.33, network_dim=8, learning_rate=1e-4, seed=2)


def test_the_mean_over_the_other_options_is_told_by_value():
    effects = {each.option: each for each in main_effects(GRID)}
    assert set(effects) == {"network_dim", "learning_rate"}, "the seed is no option to choose"
    rate = effects["learning_rate"]
    assert rate.means == ((1e-4, pytest.approx(0.31), 2), (1e-3, pytest.approx(0.605), 2))
    assert (rate.best, rate.spread) == (1e-3, pytest.approx(0.295))
    assert (rate.noise, rate.confidence) == (None, 0.0)
    assert "can't be told" in rate.evidence
    assert rate.errors == (None, None)


def test_of_each_value_the_best_checkpoint_is_named():
    (rate,) = [each for each in main_effects(GRID) if each.option == "learning_rate"]
    assert [(each.value, each.name, each.score) for each in rate.best_checkpoints] == [
        (1e-4, "late", 0.32),
        (1e-3, "late", 0.61),
    ]
    (dim,) = main_effects([run(0.30, "validation", network_dim=8), run(0.20, "validation", network_dim=16)])
    assert [each.score for each in dim.best_checkpoints] == [0.30, 0.20], "of losses the lowest"


def test_with_another_seed_chance_is_told_from_effects():
    first, second = main_effects([*GRID, OTHER_SEED])
    assert (first.option, second.option) == ("learning_rate", "network_dim")
    assert first.confidence > 0.4 > 0.2 > second.confidence
    assert first.noise == pytest.approx(0.0212, abs=0.003)
    deviation = 0.03 / 2**0.5
    assert first.errors == pytest.approx((deviation / 2**0.5, deviation / 2**0.5)), "two cells each"


def test_a_cell_that_was_repeated_does_not_pull_the_means():
    by_option = {each.option: each for each in main_effects([*GRID, OTHER_SEED])}
    assert by_option["network_dim"].means[0] == (8, pytest.approx((0.315 + 0.60) / 2), 2)


def test_of_losses_the_lowest_is_best():
    grid = [run(0.30, "validation", network_dim=8), run(0.20, "validation", network_dim=16)]
    (effect,) = main_effects(grid)
    assert (effect.best, effect.means[1][1]) == (16, pytest.approx(0.20))


def test_noise_is_pooled_over_all_that_was_repeated():
    results = [({"dim": 8, "seed": s}, v) for s, v in ((1, 1.0), (2, 3.0))]
    results += [({"dim": 16, "seed": s}, v) for s, v in ((1, 5.0), (2, 5.0))]
    assert seed_noise(results) == (pytest.approx(1.0), 2)
    assert seed_noise(results[1:3]) is None


def test_a_single_run_and_an_option_that_only_some_have_tell_nothing():
    assert main_effects(GRID[:1]) == ()
    assert main_effects([run(0.1), run(0.2, network_dim=8)]) == ()
