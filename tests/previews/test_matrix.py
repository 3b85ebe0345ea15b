from dataclasses import fields, replace

import pytest
from PIL import Image

from tests.previews.test_infotext import PICTURE
from tests.renderers.scene import checkpoint, write_lora
from train_tools.errors import OptionValueError
from train_tools.model.paths import VersionPaths
from train_tools.model.preview import PreviewSettings
from train_tools.previews.matrix import (
    BaseModelFile,
    LabelledCheckpoint,
    checked_settings,
    checkpoint_label,
    lora_hash,
    matrix_of,
    missing,
    picture_count,
    share,
)
from train_tools.previews.picture_file import is_whole, write_picture

SETTINGS = PreviewSettings(prompts=("a", "b"), weights=(0.0, 0.5, 1.0), seeds=(1, 2), width_px=64, height_px=64)


def base_in(folder):
    return BaseModelFile(path=folder / "base v1.5.safetensors", sha256="AB" * 32)


def matrix_in(folder, seeds=(1, 2), settings=SETTINGS):
    """A matrix of one LoRA for each seed; equal seeds are equal LoRAs in files of their own."""
    files = [write_lora(folder / "loras" / f"zorb-{n:06}.safetensors", seed=s) for n, s in enumerate(seeds, 1)]
    base = base_in(folder)
    rows = [
        LabelledCheckpoint(label=f"run {n}", checkpoint=checkpoint(file, run=f"run-{n}", epoch=n), base=base)
        for n, file in enumerate(files, 1)
    ]
    return matrix_of(VersionPaths(folder / "version"), rows, settings, base)


def render(*cells):
    for cell in cells:
        image = Image.new("RGB", (64, 64), "#" + cell.picture.key[:6])
        write_picture(cell.file, image, cell.picture, base_stem="base", lora_stem=None)


def test_the_base_model_comes_first_then_the_checkpoints_in_their_order(tmp_path):
    rows = matrix_in(tmp_path).rows
    assert [(row.run, row.label) for row in rows] == [
        ("base model", "base v1.5"),
        ("run 1", "epoch 1"),
        ("run 2", "epoch 2"),
    ]


def test_columns_are_prompts_by_seeds_by_weights_without_weight_0(tmp_path):
    columns = [(column["prompt"], column["seed"], column["weight"]) for column in matrix_in(tmp_path).columns]
    assert columns == [(prompt, seed, weight) for prompt in "ab" for seed in (1, 2) for weight in (0.5, 1.0)]


def test_the_base_model_has_one_cell_for_each_prompt_and_seed(tmp_path):
    matrix = matrix_in(tmp_path)
    base = [cell for cell in matrix.cells if cell.row == 0]
    assert [cell.column for cell in base] == [0, 2, 4, 6]
    assert all(cell.checkpoint is None and cell.picture.weight == 0 for cell in base)
    assert len(matrix.cells) == 4 + 2 * 8 == picture_count(SETTINGS, 2)


def test_pictures_lie_with_their_checkpoint_and_the_bases_are_shared_by_the_version(tmp_path):
    matrix = matrix_in(tmp_path)
    key = matrix.cells[0].picture.key
    assert matrix.cells[0].file == tmp_path / "version" / "base" / "images" / f"{key[:16]}.png"
    cell = matrix.cells[4]
    folder = tmp_path / "version" / "trains" / "run-1" / "zorb-000001" / "images"
    assert cell.file == folder / f"1-0.5-{cell.picture.key[:12]}.png"


def test_when_all_weights_are_0_every_row_shows_the_bases_picture(tmp_path):
    matrix = matrix_in(tmp_path, settings=replace(SETTINGS, weights=(0,), seeds=(1,), prompts=("a",)))
    assert len({cell.file for cell in matrix.cells}) == 1
    assert len(missing(matrix)) == 1 == picture_count(matrix.settings, 2)


def test_keys_do_not_depend_on_how_values_are_spelt(tmp_path):
    spelt = replace(
        SETTINGS, weights=(0, 0.5, 1, 1.0), guidance=10, sampler="Euler A", seeds=(1, 2, 1), clip_skip=0
    )
    keys = [cell.picture.key for cell in matrix_in(tmp_path, settings=spelt).cells]
    assert keys == [cell.picture.key for cell in matrix_in(tmp_path).cells]


@pytest.mark.parametrize("field", [field.name for field in fields(PICTURE)])
def test_every_field_of_a_picture_changes_its_key(field):
    value = getattr(PICTURE, field)
    more = " " if isinstance(value, str) else ("a hash",) if isinstance(value, tuple) else 8
    other = replace(PICTURE, **{field: value + more})
    assert other.key != PICTURE.key


def test_the_keys_depend_on_the_lora_and_not_on_its_file(tmp_path):
    same, other, again = (write_lora(tmp_path / f"{n}.safetensors", seed=n % 2) for n in (1, 2, 3))
    assert lora_hash(same) == lora_hash(again) != lora_hash(other)


def test_a_checkpoint_that_is_broken_or_gone_still_has_a_row(tmp_path):
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"not a LoRA")
    assert len(lora_hash(broken)) == 64
    assert lora_hash(tmp_path / "gone.safetensors") == "missing"


def test_missing_are_the_pictures_that_are_not_whole(tmp_path):
    matrix = matrix_in(tmp_path)
    render(*matrix.cells[1:])
    matrix.cells[3].file.write_bytes(matrix.cells[3].file.read_bytes()[:-1])
    assert missing(matrix) == (matrix.cells[0], matrix.cells[3])


def test_equal_checkpoints_are_rendered_once_and_shared(tmp_path):
    matrix = matrix_in(tmp_path, seeds=(7, 7))
    assert len(missing(matrix)) == 4 + 8
    render(*missing(matrix))
    share(matrix)
    assert missing(matrix) == () and all(is_whole(cell.file) for cell in matrix.cells)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (replace(SETTINGS, seeds=(-1,)), "Seed -1 can't be used"),
        (replace(SETTINGS, seeds=(2**64,)), "Seed 18446744073709551616 can't be used"),
        (replace(SETTINGS, weights=(1.0, float("nan"))), "nan is no weight"),
        (replace(SETTINGS, sampler="x"), "'x' is not known"),
    ],
)
def test_what_can_not_be_rendered_is_refused(tmp_path, settings, sentence):
    with pytest.raises(OptionValueError, match=sentence):
        matrix_in(tmp_path, settings=settings)


def test_checkpoints_are_labelled_by_what_is_known_of_them(tmp_path):
    at = checkpoint(tmp_path / "zorb.safetensors", epoch=3)
    assert checkpoint_label(at) == "epoch 3"
    assert checkpoint_label(replace(at, final=True)) == "final, epoch 3"
    assert checkpoint_label(replace(at, epoch=0, step=20)) == "step 20"
    assert checkpoint_label(replace(at, epoch=0, step=0)) == "zorb"


def test_each_base_model_of_a_grid_has_a_row_and_its_own_pictures(tmp_path):
    one = base_in(tmp_path)
    other = BaseModelFile(path=tmp_path / "other.safetensors", sha256="CD" * 32)
    file = write_lora(tmp_path / "loras" / "zorb.safetensors", seed=1)
    rows = [
        LabelledCheckpoint(label=base.path.stem, checkpoint=checkpoint(file, run=base.path.stem), base=base)
        for base in (one, other)
    ]
    matrix = matrix_of(VersionPaths(tmp_path / "version"), rows, SETTINGS, one)
    assert [row.label for row in matrix.rows[:2]] == ["base v1.5", "other"]
    keys = {row: {cell.picture.key for cell in matrix.cells if cell.row == row} for row in range(4)}
    assert not keys[0] & keys[1]
    assert not keys[2] & keys[3]


def test_a_webuis_own_samplers_are_kept(tmp_path):
    own = replace(SETTINGS, renderer="webui", sampler=" Restart Karras ")
    assert checked_settings(own).sampler == "Restart Karras"
    assert checked_settings(replace(own, sampler="DPM++ 2M")).sampler == "dpmpp_2m"
    varied = replace(own, axes={"sampler": ("Euler a", "LCM"), "scheduler": ("Karras", "Turbo")})
    pictures = [cell.picture for cell in matrix_in(tmp_path, settings=varied).cells]
    assert {(picture.sampler, picture.scheduler) for picture in pictures} == {
        ("euler_a", "karras"),
        ("euler_a", "Turbo"),
        ("LCM", "karras"),
        ("LCM", "Turbo"),
    }
