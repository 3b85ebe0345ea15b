"""Base models of every family: the pocket model, and headers of published sizes with nothing behind them."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable, Mapping
from functools import cache
from math import prod
from pathlib import Path

import pytest
import torch

from benchmarks.pocket.blueprint import FULL_SIZE, build
from benchmarks.pocket.single_file import single_file_tensors

POCKET = Path(__file__).parents[2] / "projects_template" / "demo" / "pocket-sd1.safetensors"
WriteModel = Callable[..., Path]


@cache
def shapes_of(family: str) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return {name: tuple(each.shape) for name, each in single_file_tensors(build(FULL_SIZE[family])).items()}


def write_model(path: Path, family: str, metadata: Mapping[str, str] | None = None, salt: bytes = b"") -> Path:
    """A sparse file; `salt` is written where the short hash looks."""
    header: dict[str, object] = {"__metadata__": dict(metadata or {})}
    end = 0
    for name, shape in shapes_of(family).items():
        begin, end = end, end + 2 * prod(shape)
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)
        file.seek(0x100000)
        file.write(salt)
    return path


def pocket(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(POCKET, path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of base models, good and bad."""
    folder = tmp_path / "моdels [1]"
    write_model(folder / "animagine-xl.safetensors", "sdxl")
    write_model(folder / "inner" / "sd2-v-model.safetensors", "sd2")
    pocket(folder / "inner" / "deeper" / "zorb.safetensors")
    (folder / "broken.safetensors").write_bytes(b"nothing")
    (folder / "pickle.ckpt").write_bytes(b"no zip")
    (folder / "notes.txt").write_text("no model")
    (folder / ".hidden.safetensors").write_bytes(b"")
    return folder
