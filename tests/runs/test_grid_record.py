from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from train_tools.errors import NotFoundError, StorageError
from train_tools.model.grid import Grid
from train_tools.runs.grids import GridRecord, grid_name_for, grids_of, read_grid, write_grid

RECORD = GridRecord(
    name="grid-001",
    grid=Grid(
        base={"seed": 1, "optimizer_args": ("eps=1e-8",), "training_comment": "кот"},
        axes={"text_encoder_lr": ((1e-4,), (1e-4, 5e-5)), "network_dim": (8, 16)},
    ),
    runs=("a-1", "b-2"),
    created=datetime(2026, 1, 31, 12, tzinfo=UTC),
)


def test_a_grid_is_read_as_it_was_written(version):
    write_grid(version, RECORD)
    assert read_grid(version.grid("grid-001")) == RECORD
    assert list(read_grid(version.grid("grid-001")).grid.axes) == ["text_encoder_lr", "network_dim"]


def test_grids_are_listed_newest_first_and_damaged_ones_left_out(version):
    for number in (1, 3, 2):
        created = RECORD.created + timedelta(hours=number)
        write_grid(version, replace(RECORD, name=f"grid {number}", created=created))
    version.grid("grid 3").record.write_text("format = 1", encoding="utf-8")
    version.grid("empty").folder.mkdir()
    assert [grid.name for grid in grids_of(version)] == ["grid 2", "grid 1"]


def test_a_version_without_grids_has_none(version):
    assert grids_of(version) == ()


def test_a_grid_that_is_not_there_is_told(version):
    with pytest.raises(NotFoundError, match="no grid 'mine' in this version"):
        read_grid(version.grid("mine"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("format = 2", "newer Train Tools"),
        ("format = 1", "'options' is missing"),
        ("format = 1\noptions = 1", "not a whole grid"),
        ("form", "not valid TOML"),
    ],
)
def test_a_damaged_or_newer_grid_is_told(version, text, told):
    write_grid(version, RECORD)
    version.grid("grid-001").record.write_text(text, encoding="utf-8")
    with pytest.raises(StorageError, match=told):
        read_grid(version.grid("grid-001"))


def test_the_same_runs_are_the_same_grid_and_others_get_the_next_free_name(version):
    assert grid_name_for(version, ["a-1"]) == "grid-001"
    write_grid(version, RECORD)
    version.grid("grid-002").folder.mkdir()
    assert grid_name_for(version, ["b-2", "a-1"]) == "grid-001"
    assert grid_name_for(version, ["a-1"]) == "grid-003"
