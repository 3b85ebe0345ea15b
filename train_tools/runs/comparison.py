"""Compares the checkpoints of two runs, tensor by tensor and bit by bit, without torch. Metadata and the order in
which tensors lie in a file do not count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sd_contract.errors import CheckpointError
from sd_contract.tensors.tensor_files import TensorEntry, verify_safetensors
from train_tools.model.checkpoint import Checkpoint
from train_tools.model.difference import Comparison, FileComparison
from train_tools.model.paths import RunPaths
from train_tools.runs.checkpoints import checkpoints_of
from train_tools.runs.tensors import numbers_of, tensors_in

Entries = Mapping[str, TensorEntry]


def compare_runs(first: RunPaths, second: RunPaths) -> Comparison:
    """Checkpoints are matched by step, whatever the project was called when they were made."""
    ones, others = _by_step(first), _by_step(second)
    steps = sorted({*ones, *others})
    return Comparison(files=tuple(_compared(ones.get(step), others.get(step)) for step in steps))


def compare_files(first: Path, second: Path) -> FileComparison:
    """What differs in the tensors of two files. Raises CheckpointError when one is not whole."""
    entries = verify_safetensors(first).tensors, verify_safetensors(second).tensors
    if problem := _mismatch(*entries):
        return FileComparison(name=first.name, problem=problem)
    differing = dict(_differing(first, second))
    worst = max(differing, key=lambda name: differing[name], default="")
    return FileComparison(
        name=first.name,
        largest=differing.get(worst, 0.0),
        tensor=worst,
        differing=len(differing),
        tensors=len(entries[0]),
    )


def _by_step(run: RunPaths) -> dict[tuple[int, bool, str], Checkpoint]:
    return {(found.step, found.final, found.stage): found for found in checkpoints_of(run)}


def _compared(first: Checkpoint | None, second: Checkpoint | None) -> FileComparison:
    if first is None or second is None:
        there = first or second
        assert there is not None, "a step is one of either run"
        return FileComparison(name=there.path.name, problem=f"only {there.run} has it.")
    try:
        return compare_files(first.path, second.path)
    except CheckpointError as error:
        return FileComparison(name=first.path.name, problem=str(error))


def _mismatch(first: Entries, second: Entries) -> str:
    """Why two files can't be compared number by number."""
    lonely = sorted({*first} ^ {*second})
    if lonely:
        return f"{len(lonely)} tensors are in one of the files only, such as {lonely[0]}."
    for name, entry in first.items():
        if (entry.shape, entry.dtype) != (second[name].shape, second[name].dtype):
            return f"{name} is {_kind(entry)} in one and {_kind(second[name])} in the other."
    return ""


def _kind(entry: TensorEntry) -> str:
    return f"{entry.dtype} {list(entry.shape)}"


def _differing(first: Path, second: Path) -> Iterator[tuple[str, float]]:
    """The tensors that are not the same to the last bit, and how far apart they are."""
    import numpy as np

    for (name, entry, one), (_, _, other) in zip(tensors_in(first), tensors_in(second), strict=True):
        if not np.array_equal(one, other):
            yield name, _distance(numbers_of(one, entry.dtype), numbers_of(other, entry.dtype))


def _distance(first: Any, second: Any) -> float:
    """The largest absolute difference; infinite where only one of two is a number."""
    import numpy as np

    same = (first == second) | (np.isnan(first) & np.isnan(second))
    apart = np.abs(first[~same] - second[~same])
    return float(np.nan_to_num(apart, nan=np.inf, posinf=np.inf).max(initial=0.0))
