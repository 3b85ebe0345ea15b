from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from train_tools.errors import NotFoundError, StorageError
from train_tools.grids.expressions import grid_of
from train_tools.grids.record import GridRecord, grid_name_for, grids_of, read_grid, write_grid
from train_tools.model.grid import Formula, Grid, Rules, Typed
from train_tools.options.bundled import bundled_options

RECORD = GridRecord(
    name="grid-001",
    grid=Grid(
        base={"seed": 1, "optimizer_args": ("eps=1e-8",), "training_comment": "кот"},
        axes={"text_encoder_lr": ((1e-4,), (1e-4, 5e-5), Formula("unet_lr/2")), "network_dim": (8, 16)},
        rules=Rules(
            zipped=(("network_dim", "seed"),),
            only_when={"lr_scheduler_power": "lr_scheduler=polynomial"},
            exclude=("network_dim=8 and seed=1",),
            sample=3,
            seeds=2,
            other_seed=True,
        ),
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
        ("format = 4", "newer Train Tools"),
        ("format = 1", "'options' is missing"),
        ("format = 1\noptions = 1", "not a whole grid"),
        ("form", "not valid TOML"),
        ("format = 2\noptions = {}\naxes = {}\nrules = {seeds = 0}", "seeds = 0 in .rules. can't be used"),
        ("format = 2\noptions = {}\naxes = {}\nrules = {seed = 1}", "knows no 'seed', only"),
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


def test_a_grid_of_the_first_format_is_still_read(version):
    version.grid("old").folder.mkdir(parents=True)
    version.grid("old").record.write_text(
        """format = 1
name = "old"
created = 2026-01-31T12:00:00Z
runs = ["a-1"]

[options]
seed = 1

[axes]
network_dim = [8, 16]
""",
        encoding="utf-8",
    )
    assert read_grid(version.grid("old")).grid == Grid(base={"seed": 1}, axes={"network_dim": (8, 16)})


def test_a_grid_of_the_second_format_is_the_bundled_trainers(version):
    version.grid("old").folder.mkdir(parents=True)
    version.grid("old").record.write_text(
        """format = 2
name = "old"
created = 2026-03-01T12:00:00Z
runs = ["a-1"]

[options]
seed = 1

[axes]
network_dim = "8:16:*2"

[rules]
seeds = 2
""",
        encoding="utf-8",
    )
    read = read_grid(version.grid("old")).grid
    assert (read.engine, read.rules.seeds, read.axes) == ("bundled", 2, {"network_dim": (Typed("8:16:*2"),)})


def test_a_grid_remembers_its_trainer(version):
    write_grid(version, replace(RECORD, grid=replace(RECORD.grid, engine="kohya-2025-06")))
    assert read_grid(version.grid("grid-001")).grid.engine == "kohya-2025-06"


def test_an_axis_may_be_written_as_it_is_typed(version):
    write_grid(version, RECORD)
    file = version.grid("grid-001").record
    lines = file.read_text(encoding="utf-8").splitlines()
    start = lines.index("[axes]")
    edited = [*lines[: start + 1], 'network_dim = "8:32:*2"', "", *lines[lines.index("[rules]") :]]
    file.write_text("\n".join(edited), encoding="utf-8")
    read = read_grid(version.grid("grid-001")).grid
    assert grid_of(bundled_options(), {}, read.axes, {}).axes == {"network_dim": (8, 16, 32)}
