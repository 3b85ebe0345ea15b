from __future__ import annotations

import json
import re
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch_file

from train_tools.model.paths import RunPaths, VersionPaths
from train_tools.runs.comparison import compare_files, compare_runs

ONES = {"a.weight": np.ones((2, 3), np.float32), "b.weight": np.arange(4, dtype=np.float16)}


def written(path: Path, tensors: dict[str, np.ndarray], **metadata: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata)
    return path


@pytest.fixture
def one(tmp_path: Path) -> Path:
    return written(tmp_path / "one" / "cat.safetensors", ONES)


def test_metadata_and_the_order_in_the_file_do_not_count(one, tmp_path):
    other = tmp_path / "other.safetensors"
    data = {name: tensor.tobytes() for name, tensor in ONES.items()}
    b, a = data["b.weight"], data["a.weight"]
    header = json.dumps(
        {
            "__metadata__": {"mine": "x"},
            "b.weight": {"dtype": "F16", "shape": [4], "data_offsets": [0, len(b)]},
            "a.weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [len(b), len(b) + len(a)]},
        }
    ).encode()
    other.write_bytes(struct.pack("<Q", len(header)) + header + b + a)
    found = compare_files(one, other)
    assert (found.equal, found.differing, found.tensors) == (True, 0, 2)


def test_the_largest_difference_is_told_with_its_tensor(one, tmp_path):
    changed = {name: tensor.copy() for name, tensor in ONES.items()}
    changed["a.weight"][1, 2] += 0.25
    changed["b.weight"][3] -= 0.5
    found = compare_files(one, written(tmp_path / "other.safetensors", changed))
    assert (found.equal, found.differing, found.largest, found.tensor) == (False, 2, 0.5, "b.weight")


def test_one_bit_is_a_difference(one, tmp_path):
    changed = {**ONES, "a.weight": np.nextafter(ONES["a.weight"], np.float32(2))}
    found = compare_files(one, written(tmp_path / "other.safetensors", changed))
    assert (found.equal, found.differing) == (False, 1)
    assert found.largest == pytest.approx(2**-23)


def test_bits_may_differ_where_numbers_do_not(tmp_path):
    files = [
        written(tmp_path / f"{sign}.safetensors", {"x": np.array([sign * 0.0, 1.0], np.float32)})
        for sign in (1, -1)
    ]
    found = compare_files(*files)
    assert (found.equal, found.largest, found.tensor) == (False, 0.0, "x")


def test_what_is_no_number_is_equal_to_itself_and_far_from_any_number(tmp_path):
    nan, number = (
        written(tmp_path / f"{value}.safetensors", {"x": np.array([value], np.float32)}) for value in (np.nan, 1.0)
    )
    assert compare_files(nan, nan).equal
    assert compare_files(nan, number).largest == float("inf")


@pytest.mark.parametrize(
    "dtype", [torch.bfloat16, torch.float16, torch.float64, torch.int8, torch.uint8, torch.bool]
)
def test_numbers_of_each_kind_are_read(tmp_path, dtype):
    files = []
    for value in (0, 1):
        files.append(tmp_path / f"{value}.safetensors")
        save_torch_file({"x": torch.tensor([1, value], dtype=dtype)}, files[-1])
    found = compare_files(*files)
    assert (found.largest, found.differing) == (1.0, 1)


def test_numbers_that_numpy_does_not_know_are_compared_by_their_bytes(tmp_path):
    files = []
    for value in (0.0, 1.0):
        files.append(tmp_path / f"{value}.safetensors")
        save_torch_file({"x": torch.tensor([1.0, value], dtype=torch.float8_e4m3fn)}, files[-1])
    assert compare_files(*files).differing == 1
    assert compare_files(files[0], files[0]).equal


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"a.weight": ONES["a.weight"]}, "1 tensors are in one of the files only, such as b.weight"),
        ({**ONES, "a.weight": np.ones((3, 2), np.float32)}, r"a\.weight is F32 \[2, 3\] in one and F32 \[3, 2\]"),
        ({**ONES, "a.weight": np.ones((2, 3), np.float64)}, r"F64 \[2, 3\] in the other"),
    ],
)
def test_files_of_other_shapes_can_not_be_compared(one, tmp_path, other, told):
    found = compare_files(one, written(tmp_path / "other.safetensors", other))
    assert not found.equal
    assert re.search(told, found.problem)


def run_with(version: VersionPaths, name: str, *steps: int, add: float = 0.0) -> RunPaths:
    run = version.run(name)
    for step in steps:
        final = step == steps[-1]
        file = run.folder / (f"{name}.safetensors" if final else f"{name}-{step:06}.safetensors")
        written(file, {"x": np.array([step + add], np.float32)}, ss_steps=str(step))
    return run


def test_checkpoints_are_matched_by_step_whatever_their_names(version):
    found = compare_runs(run_with(version, "old name", 5, 10), run_with(version, "new name", 5, 10))
    assert found.equal
    assert found.sentence == "Equal to the last bit: 2 checkpoints, every tensor."


def test_runs_that_differ_are_told_with_the_largest_difference(version):
    found = compare_runs(run_with(version, "a", 5, 10), run_with(version, "b", 5, 10, add=0.125))
    assert not found.equal
    assert found.sentence == (
        "Not equal: 2 of 2 checkpoints differ. The largest difference is 0.125, in x of a-000005.safetensors."
    )


def test_a_checkpoint_that_only_one_has_is_told(version):
    found = compare_runs(run_with(version, "a", 5, 10), run_with(version, "b", 10))
    assert not found.equal
    assert "a-000005.safetensors: only a has it." in found.sentence


def test_runs_without_checkpoints_are_not_called_equal(version):
    found = compare_runs(version.run("a"), version.run("b"))
    assert (found.equal, found.sentence) == (False, "There are no checkpoints to compare yet.")
