from dataclasses import replace

import pytest

from tests.previews.test_matrix import base_in, matrix_in, render
from tests.renderers.scene import checkpoint, write_lora
from train_tools.errors import NotFoundError, OptionValueError
from train_tools.model.paths import VersionPaths
from train_tools.model.preview import PreviewSettings
from train_tools.previews.axes import checked_settings, lora_tags_in
from train_tools.previews.matrix import LabelledCheckpoint, matrix_of, missing, picture_count

ONE = PreviewSettings(prompts=("a",), weights=(0.5, 1.0), seeds=(1,), width_px=64, height_px=64)


def grid_in(folder, settings, options=((8, 1e-3), (8, 1e-4), (16, 1e-3), (16, 1e-4)), epochs=(1, 2)):
    """A matrix of a 2x2 grid of `network_dim` and `learning_rate`, with a checkpoint for each epoch."""
    rows = []
    for number, (rank, rate) in enumerate(options):
        for epoch in epochs:
            file = write_lora(folder / "loras" / f"{number}-{epoch}.safetensors", seed=10 * number + epoch)
            found = checkpoint(file, run=f"run-{number}", epoch=epoch)
            varied = {"network_dim": rank, "learning_rate": rate}
            label = f"network_dim={rank} learning_rate={rate}"
            rows.append(LabelledCheckpoint(label=label, checkpoint=found, base=base_in(folder), options=varied))
    return matrix_of(VersionPaths(folder / "version"), rows, settings, base_in(folder))


def texts(lines):
    return [[value.text for value in line.values] for line in lines]


def test_every_setting_of_several_values_is_an_axis_of_the_columns(tmp_path):
    axes = {"sampler": ("Euler a", "DPM++ 2M Karras"), "steps": (10, 20), "size": ("64x64", "64, 128")}
    matrix = matrix_in(tmp_path, settings=replace(ONE, weights=(1.0,), axes=axes))
    assert [value.axis for value in matrix.columns[0].values] == [
        "prompt",
        "size",
        "sampler",
        "steps",
        "seed",
        "weight",
    ]
    assert texts(matrix.columns)[-1] == ["a", "64x128", "DPM++ 2M Karras", "20", "1", "1"]
    assert len(matrix.columns) == 8 and len(matrix.cells) == 3 * 8 == picture_count(matrix.settings, 2)
    last = matrix.cells[-1].picture
    assert (last.sampler, last.scheduler, last.steps, last.height_px) == ("dpmpp_2m", "karras", 20, 128)
    assert len({cell.picture.key for cell in matrix.cells}) == len(matrix.cells)


def test_options_of_the_grid_can_stand_in_the_rows_and_checkpoints_across(tmp_path):
    settings = replace(ONE, rows=("network_dim", "learning_rate"), columns=("checkpoint", "weight"))
    matrix = grid_in(tmp_path, settings)
    assert texts(matrix.rows) == [["8", "0.001"], ["8", "0.0001"], ["16", "0.001"], ["16", "0.0001"]]
    assert [text[:2] for text in texts(matrix.columns)] == [
        ["base model base v1.5", ""],
        ["epoch 1", "0.5"],
        ["epoch 1", "1"],
        ["epoch 2", "0.5"],
        ["epoch 2", "1"],
    ]
    taken = [(cell.row, cell.column) for cell in matrix.cells]
    assert len(set(taken)) == len(taken) == 1 + 4 * 4


def test_an_option_that_is_left_out_goes_to_the_rows_too(tmp_path):
    matrix = grid_in(tmp_path, replace(ONE, columns=("network_dim",)))
    assert [value.axis for value in matrix.rows[1].values] == ["learning_rate", "checkpoint"]
    assert [value.axis for value in matrix.columns[0].values] == ["network_dim", "prompt", "seed", "weight"]


def test_checkpoints_of_several_runs_stand_in_the_order_of_training(tmp_path):
    settings = replace(ONE, rows=("checkpoint",), columns=("run",), weights=(1.0,))
    matrix = grid_in(tmp_path, settings, options=((8, 1e-3), (16, 1e-3)), epochs=(10, 9))
    assert [line.run for line in matrix.rows] == ["base model base v1.5", "epoch 9", "epoch 10"]
    assert next(value.text for value in matrix.columns[0].values) == "network_dim=8 learning_rate=0.001"


def test_base_models_are_shown_in_whatever_side_and_once_for_each_setting(tmp_path):
    matrix = matrix_in(tmp_path, settings=replace(ONE, axes={"guidance": (5, 7.0)}))
    base = [cell for cell in matrix.cells if cell.checkpoint is None]
    assert [(cell.row, cell.column) for cell in base] == [(0, 0), (0, 2)]
    turned = matrix_in(
        tmp_path,
        settings=replace(ONE, axes={"guidance": (5, 7.0)}, rows=("guidance",), columns=("run", "checkpoint")),
    )
    base = [cell for cell in turned.cells if cell.checkpoint is None]
    assert [(cell.row, cell.column) for cell in base] == [(0, 0), (1, 0)]
    assert turned.columns[0].is_base and not any(line.is_base for line in turned.rows)


def test_the_base_model_can_be_an_axis(tmp_path):
    other = tmp_path / "other model.safetensors"
    other.write_bytes(b"another one")
    base = base_in(tmp_path)
    base.path.write_bytes(b"the first one")
    settings = replace(ONE, weights=(1.0,), axes={"base_model": (str(base.path), str(other))})
    matrix = matrix_in(tmp_path, settings=settings)
    assert [line.values[0].text for line in matrix.rows] == [
        "base v1.5",
        "other model",
        "base v1.5",
        "base v1.5",
        "other model",
        "other model",
    ]
    assert len({cell.picture.base for cell in matrix.cells}) == 2
    assert len(matrix.cells) == 2 + 2 * 2 == picture_count(matrix.settings, 2)


def test_several_images_share_a_cell_with_seeds_in_a_row(tmp_path):
    matrix = matrix_in(tmp_path, settings=replace(ONE, images_per_cell=4, weights=(1.0,), seeds=(7,)))
    cells = [cell for cell in matrix.cells if cell.row == 1]
    assert [(cell.column, cell.place, cell.picture.seed) for cell in cells] == [(0, n, 7 + n) for n in range(4)]
    assert len(matrix.cells) == 3 * 4 == picture_count(matrix.settings, 2)


def test_a_lora_from_elsewhere_is_a_row_and_nothing_is_written_beside_it(tmp_path):
    foreign = write_lora(tmp_path / "from elsewhere" / "style [by] кот.safetensors", seed=99)
    matrix = matrix_in(tmp_path, settings=replace(ONE, other_loras=(str(foreign),)))
    assert [(row.run, row.label) for row in matrix.rows][-1] == ("another LoRA", foreign.stem)
    render(*missing(matrix))
    assert list(foreign.parent.iterdir()) == [foreign]
    before = {cell.picture.key for cell in matrix.cells}
    write_lora(foreign, seed=98)
    again = matrix_in(tmp_path, settings=matrix.settings)
    assert len(missing(again)) == 2
    assert len({cell.picture.key for cell in again.cells} - before) == 2


def test_a_lora_that_is_gone_is_named(tmp_path):
    with pytest.raises(NotFoundError, match=r"gone.safetensors does not exist"):
        matrix_in(tmp_path, settings=replace(ONE, other_loras=(str(tmp_path / "gone.safetensors"),)))


def test_a_checkpoint_that_is_trained_again_shows_no_old_picture(tmp_path):
    matrix = matrix_in(tmp_path, settings=ONE)
    render(*missing(matrix))
    assert missing(matrix_in(tmp_path, settings=ONE)) == ()
    again = matrix_in(tmp_path, seeds=(1, 3), settings=ONE)
    assert {cell.row for cell in missing(again)} == {2}


def test_another_renderer_or_another_version_of_it_renders_anew(tmp_path):
    version, base = VersionPaths(tmp_path / "version"), base_in(tmp_path)
    keys = {
        matrix_of(version, [], ONE, base, renderer=name).cells[0].picture.key for name in ("a 1", "a 2", "b 1")
    }
    assert len(keys) == 3


def test_lora_tags_of_the_user_are_taken_out_and_named(tmp_path):
    settings = replace(
        ONE, prompts=("a cat, <lora:foo:0.5>, sitting", "<lyco:b c:1>"), negative_prompt="x <LORA:y>"
    )
    assert lora_tags_in(settings) == ("<lora:foo:0.5>", "<lyco:b c:1>", "<LORA:y>")
    checked = checked_settings(settings)
    assert (checked.prompts, checked.negative_prompt) == (("a cat, sitting", ""), "x")
    assert "<lora:foo:0.5> was taken out" in matrix_in(tmp_path, settings=settings).notes[0]
    assert (
        matrix_in(tmp_path, settings=replace(ONE, prompts=(" a <b> ,, c ",))).columns[0]["prompt"]
        == " a <b> ,, c "
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"axes": {"learning_rate": (1,)}}, "'learning_rate' is nothing that previews can vary"),
        ({"axes": {"steps": ()}}, "steps: at least one value"),
        ({"axes": {"steps": (0,)}}, "0 sampling steps"),
        ({"axes": {"steps": (1.5,)}}, "1.5 is no steps: a whole number"),
        ({"axes": {"size": ("64",)}}, "64 is no size: a width and a height, as in 512x768"),
        ({"axes": {"size": ("65x64",)}}, "65x64 can't be rendered"),
        ({"axes": {"guidance": ("inf",)}}, "inf is no CFG"),
        ({"axes": {"sampler": ("Euler a", "Nothing")}}, "'Nothing' is not known"),
        ({"axes": {"sampler": ("Euler a", "Euler"), "scheduler": ("karras",)}}, "Euler a can't be run with"),
        ({"rows": ("weight",), "columns": ("weight",)}, "weight can't be in the rows and in the columns"),
        ({"rows": ("network_dim",)}, "'network_dim' is no axis of this matrix"),
    ],
)
def test_what_can_not_be_arranged_or_rendered_is_refused(tmp_path, change, sentence):
    with pytest.raises(OptionValueError, match=sentence):
        matrix_in(tmp_path, settings=replace(ONE, **change))
