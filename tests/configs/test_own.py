"""Files that Train Tools wrote itself, and those a newer one will write."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import tomli_w

from tests.configs.reading import import_file, import_text
from train_tools.configs.own import NEWEST
from train_tools.errors import OptionValueError
from train_tools.grids.record import GridRecord, write_grid
from train_tools.model.config import ConfigFormat, Fate
from train_tools.model.grid import Formula, Grid
from train_tools.model.paths import VersionPaths

OPTIONS = {"network_dim": 8, "learning_rate": 1e-4, "text_encoder_lr": Formula("unet_lr/2"), "seed": 1}
AXES = {"unet_lr": (1e-4, Formula("learning_rate")), "optimizer_type": ("AdamW", "Lion")}


def test_a_grid_comes_back_as_it_was_written(tmp_path):
    version = VersionPaths(tmp_path)
    grid = Grid(base=OPTIONS, axes=AXES)
    write_grid(version, GridRecord(name="g", grid=grid, runs=("a",), created=datetime(2026, 1, 31, tzinfo=UTC)))
    config = import_file(version.grid("g").record)
    assert (config.format, config.options, config.axes) == (ConfigFormat.TRAIN_TOOLS, OPTIONS, AXES)
    assert {entry.key for entry in config.of(Fate.LEFT_OUT)} == {"format", "name", "created", "runs"}
    assert ("engine", "bundled") in {(entry.key, entry.value) for entry in config.of(Fate.TAKEN)}


def test_axes_may_be_written_as_one_types_them():
    text = 'format = 2\n[options]\n[axes]\nnetwork_dim = "8:32:*2"\nunet_lr = "nonsense"\nvae = ["/no.pt"]\n'
    config = import_text("grid.toml", text)
    assert config.axes == {"network_dim": (8, 16, 32)}
    assert [entry.key for entry in config.of(Fate.NOT_USABLE, Fate.REFUSED)] == ["unet_lr", "vae"]


@pytest.mark.parametrize("number", [NEWEST + 1, "1", True])
def test_a_file_from_the_future_is_told_and_not_guessed_at(number):
    text = tomli_w.dumps({"format": number, "options": {"network_dim": 8}})
    with pytest.raises(OptionValueError, match="newer Train Tools"):
        import_text("version.toml", text)


def test_an_option_in_a_copied_version_can_run_no_code_either():
    text = "format = 1\n[options]\nnetwork_module = 'os'\noptimizer_type = 'a.b'\nvae = '/x.pt'\nresume = '/s'\n"
    config = import_text("version.toml", text)
    assert config.options == {}
    assert {entry.fate for entry in config.entries if entry.key != "format"} == {Fate.REFUSED}
