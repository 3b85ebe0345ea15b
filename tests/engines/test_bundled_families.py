"""The app starts the script of the base model's family, and takes no folders as base models."""

from pathlib import Path

import pytest

from benchmarks.pocket.blueprint import Blueprint, build
from benchmarks.pocket.single_file import save
from train_tools.engines.bundled import BundledEngine
from train_tools.errors import BaseModelNotUsableError
from train_tools.model.dataset import Dataset
from train_tools.model.paths import RunPaths
from train_tools.runs.engine import AttemptFiles, RunFiles


def script_for(base_model, tmp_path):
    files = AttemptFiles(output=tmp_path, states=tmp_path, cache=tmp_path, resume=None)
    empty = Dataset(folders=(), regularisation=(), content="")
    run = RunFiles(paths=RunPaths(tmp_path), options={}, base_model=base_model, dataset=empty, output_name="cat")
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


def test_a_folder_is_no_base_model_for_the_app(tmp_path):
    with pytest.raises(BaseModelNotUsableError, match=r"is a folder. Choose a single .safetensors or .ckpt file."):
        BundledEngine().check_base_model(tmp_path)
