"""A version's folder, and small LoRA files to put there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from train_tools.model.paths import OutputsPaths, RunPaths, VersionPaths

WriteLora = Callable[..., Path]


@pytest.fixture
def outputs(tmp_path: Path) -> OutputsPaths:
    return OutputsPaths(tmp_path / "outputs" / "train_tools")


@pytest.fixture
def version(outputs: OutputsPaths) -> VersionPaths:
    paths = outputs.project("it's [кот]").version("v1")
    paths.folder.mkdir(parents=True)
    return paths


@pytest.fixture
def run(version: VersionPaths) -> RunPaths:
    paths = version.run("base-net-8-0123abcd")
    paths.folder.mkdir(parents=True)
    return paths


@pytest.fixture
def write_lora() -> WriteLora:
    """Writes a whole file of one tensor with the metadata that the trainer would."""

    def write(path: Path, *, epoch: object = 1, step: object = 1, output_name: str | None = None) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        metadata = {"ss_epoch": str(epoch), "ss_steps": str(step)}
        if output_name is not None:
            metadata["ss_output_name"] = output_name
        save_file({"lora_unet_x.alpha": np.full((64,), hash(path.name) % 97, np.float32)}, path, metadata)
        return path

    return write
