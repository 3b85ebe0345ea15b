"""Checkpoints: whole LoRA files in a run's folder. A trainer's output is published there once it is verified."""

from __future__ import annotations

import re
from pathlib import Path

from sd_contract.errors import CheckpointError
from sd_contract.output.checkpoints import STAGE, STAGES
from sd_contract.stages import BASE
from sd_contract.tensors.tensor_files import read_header, verify_safetensors
from train_tools.files import link_or_copy, storage_error
from train_tools.model.checkpoint import Checkpoint
from train_tools.model.paths import RunPaths

_NUMBERED = re.compile(r".*-(?:step\d{8}|\d{6})$")
OUTPUT_NAME = "ss_output_name"
"""Metadata that says what the final checkpoint is called: one of a version "240131" looks numbered."""


def publish(file: Path, paths: RunPaths) -> Path:
    """Puts a finished checkpoint into the run's folder, whole or not at all, and returns its new path.

    Raises CheckpointError when header, offsets and size of the file do not agree.
    """
    verify_safetensors(file)
    return _put(file, paths.folder / file.name)


def publish_all(output: Path, paths: RunPaths) -> list[str]:
    """Publishes the checkpoints and the tag list (S1-47) in an attempt's output folder; returns what was wrong
    with files left out."""
    problems = []
    for file in sorted(output.glob("*.safetensors")):
        try:
            publish(file, paths)
        except CheckpointError as error:
            problems.append(str(error))
    for tags in output.glob("*.txt"):
        _put(tags, paths.folder / tags.name)
    return problems


def checkpoints_of(paths: RunPaths) -> tuple[Checkpoint, ...]:
    """The run's checkpoints in the order of training, the final ones last. Broken files are left out."""
    found = []
    for file in paths.folder.glob("*.safetensors"):
        try:
            found.append(_checkpoint(paths.folder.name, file))
        except (CheckpointError, OSError):
            continue
    return tuple(sorted(found, key=_place))


def is_trained(paths: RunPaths) -> bool:
    """Whether the run has its final checkpoint, and that of each concept where it trains by stages, whatever the
    project was called when it was trained."""
    finals = [checkpoint for checkpoint in checkpoints_of(paths) if checkpoint.final]
    return bool(finals) and len({final.stage for final in finals}) >= _finals_wanted(finals[0])


def seed_of(paths: RunPaths) -> int | None:
    """The seed that the run's checkpoints were trained with, as their metadata say."""
    for checkpoint in checkpoints_of(paths):
        seed = read_header(checkpoint.path).metadata.get("ss_seed", "")
        if seed.isdecimal():
            return int(seed)
    return None


def _put(file: Path, target: Path) -> Path:
    try:
        link_or_copy(file, target)
    except OSError as error:
        raise storage_error(target, error) from error
    return target


def _checkpoint(run: str, file: Path) -> Checkpoint:
    header = verify_safetensors(file)
    status = file.stat()
    stage = header.metadata.get(f"ss_{STAGE}", "")
    unnumbered = file.stem == header.metadata.get(OUTPUT_NAME) or _NUMBERED.match(file.stem) is None
    return Checkpoint(
        run=run,
        path=file,
        size_bytes=status.st_size,
        modified=status.st_mtime,
        epoch=_number(header.metadata.get("ss_epoch")),
        step=_number(header.metadata.get("ss_steps")),
        final=unnumbered and stage != BASE,
        stage=stage,
    )


def _place(checkpoint: Checkpoint) -> tuple[bool, str, int, str]:
    stage = "" if checkpoint.stage == BASE else checkpoint.stage
    return checkpoint.final, stage, checkpoint.step, checkpoint.name


def _finals_wanted(final: Checkpoint) -> int:
    stages = _number(read_header(final.path).metadata.get(f"ss_{STAGES}"))
    return max(1, stages - 1)


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0
