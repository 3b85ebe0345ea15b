from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageColor

from tests.previews.test_matrix import SETTINGS, base_in, matrix_in, render
from tests.renderers.scene import checkpoint, pixels_of
from train_tools.errors import StorageError
from train_tools.model.paths import VersionPaths
from train_tools.model.preview import Value
from train_tools.previews.matrix import LabelledCheckpoint, matrix_of
from train_tools.previews.sheet import EMPTY, LONGEST_SIDE, MOST_PIXELS, draw_sheet


def sheet_of(matrix, folder, title="grid"):
    draw_sheet(matrix, folder / "grids" / "grid" / "matrix.png", title)
    return pixels_of(folder / "grids" / "grid" / "matrix.png")


def box_of(colour, pixels):
    """Left, top, width and height of everything of that colour."""
    rows, columns = np.nonzero((pixels == ImageColor.getrgb(colour)).all(axis=-1))
    return columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1


def shows_an_empty_cell(pixels):
    """Some of that colour is in the edges of letters as well."""
    return np.count_nonzero((pixels == ImageColor.getrgb(EMPTY)).all(axis=-1)) > 192 * 192 / 2


def colour_of(cell):
    return "#" + cell.picture.key[:6]


def tall_matrix(folder, rows, settings):
    """A matrix of many checkpoints that are all the same file."""
    path = folder / "zorb.safetensors"
    path.write_bytes(b"not read here")
    base = base_in(folder)
    labelled = [
        LabelledCheckpoint(label=f"network_dim={n}", checkpoint=replace(checkpoint(path), epoch=n), base=base)
        for n in range(rows)
    ]
    return matrix_of(VersionPaths(folder / "version"), labelled, settings, base)


def test_small_pictures_are_enlarged_by_a_whole_factor(tmp_path):
    matrix = matrix_in(tmp_path)
    render(*matrix.cells)
    pixels = sheet_of(matrix, tmp_path)
    assert {box_of(colour_of(cell), pixels)[2:] for cell in matrix.cells} == {(192, 192)}


def test_rows_are_below_each_other_and_columns_beside_each_other(tmp_path):
    matrix = matrix_in(tmp_path)
    render(*matrix.cells)
    pixels = sheet_of(matrix, tmp_path)
    boxes = {(cell.row, cell.column): box_of(colour_of(cell), pixels) for cell in matrix.cells}
    for (row, column), (left, top, *_) in boxes.items():
        assert left == boxes[1, column][0] and top == boxes[row, 0][1]
    assert boxes[0, 0][1] < boxes[1, 0][1] < boxes[2, 0][1]
    assert boxes[1, 0][0] < boxes[1, 1][0] < boxes[1, 2][0]


def test_what_is_not_rendered_is_marked_until_it_is(tmp_path):
    matrix = matrix_in(tmp_path)
    render(*matrix.cells[1:])
    assert shows_an_empty_cell(sheet_of(matrix, tmp_path))
    render(matrix.cells[0])
    assert not shows_an_empty_cell(sheet_of(matrix, tmp_path))


def test_a_picture_that_is_cut_short_counts_as_not_rendered(tmp_path):
    matrix = matrix_in(tmp_path)
    render(*matrix.cells)
    content = matrix.cells[0].file.read_bytes()
    matrix.cells[0].file.write_bytes(content[:40] + content[-40:])
    assert shows_an_empty_cell(sheet_of(matrix, tmp_path))


@pytest.mark.parametrize(
    ("size", "shown"), [((512, 512), (256, 256)), ((768, 512), (256, 171)), ((64, 128), (64, 128))]
)
def test_large_pictures_are_reduced_in_proportion(tmp_path, size, shown):
    settings = replace(SETTINGS, prompts=("a",), seeds=(1,), width_px=size[0], height_px=size[1])
    matrix = matrix_in(tmp_path, settings=settings)
    cell = matrix.cells[1]
    cell.file.parent.mkdir(parents=True)
    Image.new("RGB", size, "#123456").save(cell.file)
    assert box_of("#123456", sheet_of(matrix, tmp_path))[2:] == shown


@pytest.mark.parametrize(
    ("rows", "settings"),
    [
        (1000, replace(SETTINGS, prompts=("a",), seeds=(1,))),
        (1, replace(SETTINGS, weights=tuple(n / 100 for n in range(300)))),
        (150, replace(SETTINGS, weights=tuple(n / 10 for n in range(50)))),
    ],
)
def test_a_huge_matrix_keeps_within_the_limits(tmp_path, rows, settings):
    height, width, _ = sheet_of(tall_matrix(tmp_path, rows, settings), tmp_path).shape
    assert max(width, height) <= LONGEST_SIDE and width * height <= MOST_PIXELS


def test_the_smallest_matrix_is_the_base_model_alone(tmp_path):
    matrix = matrix_in(tmp_path, seeds=())
    render(*matrix.cells)
    pixels = sheet_of(matrix, tmp_path)
    assert all(box_of(colour_of(cell), pixels)[2:] == (192, 192) for cell in matrix.cells)


def test_any_text_can_be_drawn(tmp_path, awkward_name):
    text = f"{awkward_name}\n\t\x00{'wörd ' * 300}{'x' * 500}"
    matrix = matrix_in(tmp_path, settings=replace(SETTINGS, prompts=(text, ""), negative_prompt=text))
    said = tuple(Value(axis, text, text) for axis in ("run", "checkpoint"))
    rows = tuple(replace(row, values=said) for row in matrix.rows)
    assert sheet_of(replace(matrix, rows=rows), tmp_path, title=text).shape[1] < 3000


def test_a_folder_that_can_not_be_made_is_one_sentence(tmp_path):
    (tmp_path / "grids").write_text("a file where a folder should be")
    with pytest.raises(StorageError, match="Could not write grid"):
        sheet_of(matrix_in(tmp_path), tmp_path)
