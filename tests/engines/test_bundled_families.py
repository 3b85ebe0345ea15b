"""The app starts the script of the base model's family, and takes no folders as base models."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.pocket.blueprint import Blueprint, build
from benchmarks.pocket.single_file import save
from train_tools.engines.bundled import BundledEngine
from train_tools.errors import BaseModelNotUsableError, DatasetNotUsableError, OptionValueError
from train_tools.model.dataset import Dataset, DatasetFolder, TrainingImage
from train_tools.model.paths import RunPaths
from train_tools.runs.engine import AttemptFiles, RunFiles

EMPTY = Dataset(folders=(), regularisation=(), content="")


def script_for(base_model, tmp_path, options=()):
    files = AttemptFiles(output=tmp_path, states=tmp_path, cache=tmp_path, resume=None)
    run = RunFiles(
        paths=RunPaths(tmp_path), options=dict(options), base_model=base_model, dataset=EMPTY, output_name="cat"
    )
    command = BundledEngine().launch(run, files).command
    return next(Path(word).name for word in command if word.endswith(".py"))


@pytest.mark.parametrize(
    ("family", "script"),
    [("sd1", "train_network.py"), ("sd2", "train_network.py"), ("sdxl", "sdxl_train_network.py")],
)
def test_the_script_is_that_of_the_base_models_family(tmp_path, family, script):
    path = tmp_path / f"{family}.safetensors"
    save(build(Blueprint.of_width(8, family)), path, title=family)

    BundledEngine().check_base_model(path)
    assert script_for(path, tmp_path) == script


def test_the_script_of_a_lost_model_tells_what_is_wrong(tmp_path):
    assert script_for(tmp_path / "gone.safetensors", tmp_path) == "train_network.py"


def test_a_run_on_prompts_has_a_script_of_its_own_and_no_epochs(tmp_path):
    options = {
        "mode": "ileco",
        "original_prompt": ["a red circle"],
        "max_train_steps": 50,
        "save_every_n_steps": 20,
    }
    count = BundledEngine().count_steps(options, EMPTY)

    assert script_for(tmp_path / "any.safetensors", tmp_path, options) == "train_leco.py"
    assert (count.steps, count.epochs, count.checkpoints) == (50, 1, 3)
    with pytest.raises(OptionValueError, match="option 'original_prompt' is missing"):
        BundledEngine().count_steps({"mode": "slider"}, EMPTY)


def test_a_run_on_pairs_counts_both_passes_and_looks_for_partners(tmp_path):
    options = {"mode": "difference", "max_train_steps": 50, "second_pass_args": ["max_train_steps=30"]}
    options |= {"save_every_n_steps": 20, "diff_save_1st_pass": True}
    for name in ("00001-0-face.png", "00002-0-face_target.png"):
        Image.new("RGB", (64, 64)).save(tmp_path / name)
    images = tuple(TrainingImage(path=path, caption="") for path in sorted(tmp_path.glob("*.png")))
    folder = DatasetFolder(path=tmp_path, repeats=1, class_name="face", images=images)
    dataset = Dataset(folders=(folder,), regularisation=(), content="1")

    count = BundledEngine().count_steps(options, dataset)
    assert (count.steps, count.epochs, count.checkpoints) == (80, 1, 3)
    assert script_for(tmp_path / "any.safetensors", tmp_path, options) == "train_difference.py"
    with pytest.raises(DatasetNotUsableError, match=r"1 images are no pair: 00001-0-face\.png"):
        BundledEngine().count_steps(options, replace(dataset, folders=(replace(folder, images=images[:1]),)))


def test_a_folder_is_no_base_model_for_the_app(tmp_path):
    with pytest.raises(BaseModelNotUsableError, match=r"is a folder. Choose a single .safetensors or .ckpt file."):
        BundledEngine().check_base_model(tmp_path)
