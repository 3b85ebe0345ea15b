from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from train_tools.grids.cells import cells_of
from train_tools.grids.expressions import grid_of
from train_tools.grids.runs import Facts, runs_of
from train_tools.model.grid import LONGEST_LABEL_BYTES, RunSpec, run_name
from train_tools.options.bundled import bundled_options

TABLE = bundled_options()
BASE = "pretrained_model_name_or_path"
MODEL = "/models/v1-5-pruned.safetensors"
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "network_dim": st.integers(1, 512),
        "learning_rate": st.floats(0, 1),
        "train_batch_size": st.integers(1, 8),
        "shuffle_caption": st.booleans(),
        "optimizer_args": st.lists(st.sampled_from(["weight_decay=0.1", "eps=1e-8"]), max_size=2).map(tuple),
        "text_encoder_lr": st.lists(st.floats(0, 1), min_size=1, max_size=3).map(tuple),
        "lr_warmup_steps": st.integers(0, 9) | st.floats(0, 1),
        "seed": st.integers(0, 2**40),
        "unet_lr": st.floats(0, 1),
    },
)


def runs(assignments: dict[str, str]):
    grid = grid_of(TABLE, {BASE: MODEL}, {}, assignments)
    return runs_of(grid, cells_of(TABLE, grid), facts_about({MODEL: "b"}))


def facts_about(base_models: dict[str, str]) -> Facts:
    return Facts(dataset=lambda cell: "d", base_models=base_models, engine="bundled", contract=1, table=TABLE)


def spec_of(options: dict[str, object]) -> RunSpec:
    return RunSpec(options=TABLE.canonical(options), dataset="d", base_model="b", engine="e", contract=1)


def test_runs_are_the_cells_of_the_grid_in_order_with_what_varies():
    found = runs({"network_dim": "16,8", "learning_rate": "1e-3,1e-4"})
    assert [run.label for run in found] == [
        "network_dim=16 learning_rate=0.001",
        "network_dim=16 learning_rate=0.0001",
        "network_dim=8 learning_rate=0.001",
        "network_dim=8 learning_rate=0.0001",
    ]
    assert [run.options["network_dim"] for run in found] == [16, 16, 8, 8]
    assert len({run.spec.fingerprint for run in found}) == len({run.name for run in found}) == 4


def test_values_that_mean_the_same_run_are_one_run():
    assert len(runs({"train_batch_size": "1,2"})) == 2
    assert runs({"train_batch_size": "1"})[0].spec == runs({})[0].spec
    assert len(runs({"training_comment": "mine,yours"})) == 1


def test_a_single_run_is_called_so():
    [run] = runs({})
    assert (run.label, run.base_model) == ("single run", MODEL)


def test_base_models_are_told_apart_by_what_is_in_them():
    grid = grid_of(TABLE, {}, {}, {BASE: "/a/x.safetensors,/b/x.safetensors,/c/y.safetensors"})
    hashes = {"/a/x.safetensors": "1", "/b/x.safetensors": "1", "/c/y.safetensors": "2"}
    found = runs_of(grid, cells_of(TABLE, grid), facts_about(hashes))
    assert [(run.spec.base_model, run.varied[BASE]) for run in found] == [("1", "x"), ("2", "y")]


@given(OPTIONS, st.randoms())
def test_order_and_defaults_do_not_change_what_a_run_is(options, random):
    shuffled = list({**defaults(), **options}.items())
    random.shuffle(shuffled)
    assert spec_of(dict(shuffled)).fingerprint == spec_of(options).fingerprint


@given(OPTIONS)
def test_the_spelling_of_a_number_does_not_change_what_a_run_is(options):
    typed = {name: spelt(value) for name, value in options.items() if value != ()}
    read = grid_of(TABLE, {}, {}, typed)
    assert spec_of(dict(read.base)).fingerprint == spec_of(options).fingerprint


@given(OPTIONS, OPTIONS)
def test_runs_are_the_same_only_when_all_values_are(one, other):
    same = written(TABLE.canonical(one)) == written(TABLE.canonical(other))
    assert (spec_of(one).fingerprint == spec_of(other).fingerprint) == same


@pytest.mark.parametrize(
    "change", [{"dataset": "x"}, {"base_model": "x"}, {"engine": "x"}, {"contract": 2}, {"options": {"seed": 1}}]
)
def test_everything_else_that_decides_a_result_is_part_of_its_identity(change):
    spec = spec_of({"seed": 0})
    assert replace(spec, **change).fingerprint != spec.fingerprint


def test_minus_zero_is_zero():
    assert spec_of({"learning_rate": -0.0}).fingerprint == spec_of({"learning_rate": 0.0}).fingerprint


def test_a_fingerprint_stays_what_it_is():
    """Recorded runs are found again by it: a change of how it is made starts all of them anew."""
    spec = spec_of({"network_dim": 8, "learning_rate": 1e-4, "text_encoder_lr": (1e-5,), "shuffle_caption": True})
    assert spec.fingerprint == "c50dade04b3805b1c447bb88965d4943daf179e0f1039784b913cc4925c4ba1b"


@given(st.text(), st.dictionaries(st.text(min_size=1), st.text() | st.floats() | st.integers(), max_size=5))
def test_any_run_has_a_short_name_that_is_a_folder_everywhere(stem, varied):
    spec = spec_of({"seed": 1})
    name = run_name(spec, stem, varied)
    label, _, code = name.rpartition("-")
    assert 1 <= len(label.encode()) <= LONGEST_LABEL_BYTES
    assert code == spec.fingerprint[:8]
    assert not set(name) & set('<>:"/\\|?*. \n\0')
    assert not name.startswith("-")


def test_a_name_says_what_varies_last_and_keeps_it_when_room_is_short():
    [run, _] = runs({"network_dim": "8,16", "max_train_epochs": "10", "train_batch_size": "4"})
    assert run.name == f"v1-5-pruned-bs-4-ep-10-net-8-{run.spec.fingerprint[:8]}"
    name = run_name(run.spec, "очень-длинное-имя-модели-по-русски", {"network_dim": 8, "learning_rate": 0.005})
    assert "-net-8-lr-0_005-" in name


def defaults() -> dict[str, object]:
    return {name: option.spec.default for name, option in TABLE.items() if not option.set_by_app}


def spelt(value: object) -> str:
    """Another way to write a value as people type it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.20e}"
    if isinstance(value, tuple):
        return '"' + "  ".join(str(item) for item in value) + '"'
    return f" +{value} " if isinstance(value, int) else str(value)


def written(options: dict[str, object]) -> str:
    """The values as text that keeps their types apart; -0.0 is 0.0."""
    return json.dumps(options).replace("-0.0", "0.0")
