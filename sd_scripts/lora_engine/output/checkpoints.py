"""Writes checkpoints when they are due, so that a reader sees a whole file or none, and removes old ones."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from lora_engine.data.batches import Step
from lora_engine.output.reporting import Reporter
from sd_contract.errors import CheckpointError
from sd_contract.output.checkpoints import (
    CheckpointName,
    RunFacts,
    SaveSchedule,
    hashes,
    model_spec,
    training_metadata,
)

PRECISIONS = {None: torch.float32, "float": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
Collect = Callable[[torch.dtype], Mapping[str, Tensor]]


class Checkpoints:
    """The checkpoints of one run. `collect` gives the tensors to save in a number format."""

    def __init__(self, folder: Path, facts: RunFacts, collect: Collect, reporter: Reporter) -> None:
        self._folder = folder
        self._facts = facts
        self._options = facts.settings.output
        self._name = CheckpointName.of(facts.settings, facts.plan)
        self._schedule = SaveSchedule.of(facts.settings, facts.plan)
        self._collect = collect
        self._reporter = reporter

    def due(self, step: Step) -> bool:
        """Whether something is saved after this step, the final file not counted."""
        by_step = self._schedule.saves_step(step.number) or self._schedule.saves_first_pass(step.number)
        return by_step or self._due_by_epoch(step)

    def after(self, step: Step) -> None:
        """Saves what is due after a step, and removes what the `save_last_n_...` options let go."""
        if self._schedule.saves_first_pass(step.number):
            self._write(self._name.of_first_pass(), step, epoch=step.epoch)
        if self._schedule.saves_step(step.number):
            self.at_step(step)
            gone = self._schedule.step_let_go(step.number, self._options.save_last_n_steps)
            self._remove(self._name.at_step(gone) if gone else None)
        if self._due_by_epoch(step):
            self._write(self._name.at_epoch(step.epoch), step, epoch=step.epoch)
            gone = self._schedule.epoch_let_go(step.epoch, self._options.save_last_n_epochs)
            self._remove(self._name.at_epoch(gone) if gone else None)

    def at_step(self, step: Step) -> None:
        """Saves under the step's own name; as in sd-scripts, the metadata then counts epochs from 0."""
        self._write(self._name.at_step(step.number), step, epoch=step.epoch - 1)

    def at_end(self, step: Step) -> None:
        name = self._name.of_first_pass() if self._schedule.is_first_pass_only else self._name.at_end()
        self._write(name, step, epoch=self._facts.plan.epochs)

    def _due_by_epoch(self, step: Step) -> bool:
        return step.ends_epoch and self._schedule.saves_epoch(step.epoch)

    def _write(self, file: str, step: Step, *, epoch: int) -> None:
        path = self._folder / file
        self._reporter.say(f"saving checkpoint: {path}")
        tensors = self._collect(PRECISIONS[self._options.save_precision])
        write_checkpoint(path, tensors, self._facts, epoch=epoch, step=step.number)
        self._reporter.saved(file, step.number, step.epoch)

    def _remove(self, file: str | None) -> None:
        if file is not None and file in self._reporter.files:
            self._reporter.say(f"removing old checkpoint: {self._folder / file}")
            (self._folder / file).unlink(missing_ok=True)
            self._reporter.removed(file)


def write_checkpoint(path: Path, tensors: Mapping[str, Tensor], facts: RunFacts, *, epoch: int, step: int) -> None:
    """Writes a LoRA file with its metadata. CheckpointError when the disk is full or the folder is gone."""
    saved_at = time.time()
    trained = training_metadata(facts, epoch=epoch, step=step, saved_at=saved_at)
    legacy_form = save(dict(tensors), trained)
    data_start = 8 + int.from_bytes(legacy_form[:8], "little")
    metadata = trained | model_spec(facts, saved_at=saved_at) | hashes(legacy_form, data_start)
    try:
        write_whole(path, save(dict(tensors), metadata))
    except OSError as error:
        raise CheckpointError(
            f"checkpoint {path} can't be written: {error.strerror}. Make room or choose another output_dir."
        ) from error


def write_whole(path: Path, content: bytes) -> None:
    """Puts the content on the disk under a temporary name, then gives it its own."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Makes the new name last through a power cut, where the system can do that."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
