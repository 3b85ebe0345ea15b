"""A run with checkpoints as a trainer leaves them: each also in its attempt's outputs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from sd_contract.tensors.tensor_files import data_sha256
from train_tools.model.checkpoint import Checkpoint
from train_tools.model.paths import OutputsPaths, RunPaths, VersionPaths
from train_tools.runs.checkpoints import checkpoints_of, publish

Train = Callable[..., Checkpoint]


@pytest.fixture
def outputs(tmp_path: Path) -> OutputsPaths:
    return OutputsPaths(tmp_path / "outputs" / "train_tools")


@pytest.fixture
def version(outputs: OutputsPaths) -> VersionPaths:
    paths = outputs.project("it's [кот]").version("v1")
    paths.folder.mkdir(parents=True)
    return paths


@pytest.fixture
def train(version: VersionPaths) -> Train:
    """Trains a checkpoint of a run, in no time: `train("cat-000002", step=20)`."""

    def trained(
        name: str, *, run: str = "run-1", step: int = 1, weights: float = 1.0, **metadata: str
    ) -> Checkpoint:
        paths = RunPaths(version.trains / run)
        out = paths.folder / "attempts" / "001" / "out"
        out.mkdir(parents=True, exist_ok=True)
        file = out / f"{name}.safetensors"
        told = {"ss_steps": str(step), "ss_epoch": str(step // 10), "ss_output_name": "cat", **metadata}
        tensors = {"lora_unet_x.lora_up.weight": np.full((64, 8), weights, np.float32)}
        save_file(tensors, file, told)
        save_file(tensors, file, {**told, "sshs_model_hash": data_sha256(file), "sshs_legacy_hash": "01234567"})
        publish(file, paths)
        return next(each for each in checkpoints_of(paths) if each.name == name)

    return trained
