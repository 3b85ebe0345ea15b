"""A grid whose runs were trained on different base models, rendered: each run on its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from sd_contract.tensors.tensor_files import file_sha256, read_header
from tests.previews.test_kind import Grid
from tests.renderers.scene import POCKET, SMALL, checkpoint, pixels_of, pocket, render
from tests.renderers.test_diffusers import full_lora
from train_tools.previews.kind import PreviewJob, preview_job
from train_tools.previews.matrix import BaseModelFile, LabelledCheckpoint, matrix_of, missing
from train_tools.previews.renderer import RenderRequest, WantedPicture
from train_tools.renderers.diffusers import DiffusersRenderer

LIGHT = 0.3
"""What the other base model's pictures are brighter, of colours from -1 to 1."""


class GridOfTwoBases(Grid):
    """The same LoRA was made by two runs, one on the pocket model, one on a model that paints brighter."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.bases = (pocket(), brighter_model(folder / "brighter.safetensors"))
        self.rows = []
        for run, base in zip(("small", "large"), self.bases, strict=True):
            file = full_lora(self.version.run(run).folder / "zorb.safetensors")
            row = LabelledCheckpoint(label=f"on {base.path.stem}", checkpoint=checkpoint(file, run=run), base=base)
            self.rows.append(row)
        self.kind = PreviewJob({"bundled": DiffusersRenderer()}, self.rows_of, device="cpu")

    def job_on(self, base: BaseModelFile, settings=SMALL):
        new = preview_job(
            self.outputs,
            self.version,
            grid="grid-1",
            run=None,
            settings=settings,
            base=base,
            title="x",
            beside=True,
        )
        return self.attempt_at(new)

    def matrix(self, settings=SMALL):
        return matrix_of(self.version, self.rows, settings, *self.bases, renderer="diffusers 2")

    def seen(self, row: int, column: int):
        (cell,) = (cell for cell in self.matrix().cells if (cell.row, cell.column) == (row, column))
        return pixels_of(cell.file).astype(int)


def brighter_model(path: Path) -> BaseModelFile:
    tensors = {name: tensor.clone() for name, tensor in load_file(POCKET).items()}
    tensors["first_stage_model.decoder.conv_out.bias"] += LIGHT
    save_file(tensors, path, metadata=dict(read_header(POCKET).metadata))
    return BaseModelFile(path=path, sha256=file_sha256(path))


@pytest.fixture(scope="module")
def grid(tmp_path_factory) -> GridOfTwoBases:
    """Rendered by the jobs that the app queues, one for each base model."""
    grid = GridOfTwoBases(tmp_path_factory.mktemp("two bases"))
    for base in grid.bases:
        job = grid.job_on(base)
        assert job.run() == 0, job.paths.log.read_text(encoding="utf-8")
    return grid


def test_each_base_model_has_a_row_of_its_own_before_those_of_the_runs(grid):
    matrix = grid.matrix()
    assert [(row.is_base, row.run, row.label) for row in matrix.rows] == [
        (True, "base model", "pocket-sd1"),
        (True, "base model", "brighter"),
        (False, "on pocket-sd1", "epoch 1"),
        (False, "on brighter", "epoch 1"),
    ]
    assert missing(matrix) == ()


def test_pictures_show_the_base_model_that_the_run_was_trained_on(grid):
    base, brighter = grid.seen(0, 0), grid.seen(1, 0)
    within = (base > 10) & (base < 245 - 128 * LIGHT)
    assert abs((brighter - base)[within].mean() - 127.5 * LIGHT) < 2
    for column, _ in list(enumerate(grid.matrix().columns))[1:]:
        run, brighter_run = grid.seen(2, column), grid.seen(3, column)
        within = (run > 10) & (run < 245 - 128 * LIGHT)
        assert abs((brighter_run - run)[within].mean() - 127.5 * LIGHT) < 2
        assert abs(run - base).max() > 8


def test_a_second_job_on_either_has_nothing_to_render(grid):
    for base in grid.bases:
        assert grid.job_on(base).wanted == 0


def test_the_base_model_as_an_axis_shows_every_run_on_each_of_them(grid, tmp_path):
    axes = {"base_model": tuple(str(base.path) for base in grid.bases)}
    matrix = grid.matrix(replace(SMALL, axes=axes, weights=(0.0, 1.0)))
    crossed = [cell for cell in missing(matrix) if cell.checkpoint]
    assert len(crossed) == 2, "each run on the other's base model; the rest is there"
    for base in grid.bases:
        wanted = tuple(
            WantedPicture(picture=cell.picture, file=cell.file, checkpoint=cell.checkpoint)
            for cell in crossed
            if cell.picture.base == base.sha256
        )
        request = RenderRequest(base=base, folder=grid.version.folder, wanted=wanted, device="cpu")
        assert render(DiffusersRenderer(), request, tmp_path).code == 0
    on_the_other = [pixels_of(cell.file) for cell in crossed]
    own = [pixels_of(cell.file) for cell in grid.matrix().cells if cell.picture.weight == 1]
    assert (on_the_other[0] == own[1]).all() and (on_the_other[1] == own[0]).all()
