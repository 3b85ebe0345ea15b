"""The app starts the script of the base model's family, and takes no folders as base models."""

from pathlib import Path

import pytest

from benchmarks.pocket.blueprint import Blueprint, build
from benchmarks.pocket.single_file import save
from train_tools.engines.bundled import BundledEngine
from train_tools.errors import BaseModelNotUsableError, OptionValueError
from train_tools.model.dataset import Dataset
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
    options = {"original_prompt": ["a red circle"], "max_train_steps": 50, "save_every_n_steps": 20}
    count = BundledEngine().count_steps(options, EMPTY)

    assert script_for(tmp_path / "any.safetensors", tmp_path, options) == "train_leco.py"
    assert (count.steps, count.epochs, count.checkpoints) == (50, 1, 3)
    with pytest.raises(OptionValueError, match="without images there are no epochs"):
        BundledEngine().count_steps({**options, "max_train_epochs": 2}, EMPTY)


def test_a_folder_is_no_base_model_for_the_app(tmp_path):
    with pytest.raises(BaseModelNotUsableError, match=r"is a folder. Choose a single .safetensors or .ckpt file."):
        BundledEngine().check_base_model(tmp_path)
