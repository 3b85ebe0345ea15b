"""Saves and reads the state of a run: what the recipe hands over as a tree of tensors and values, in the
folders of `sd_contract.output.states`."""

from __future__ import annotations

import errno
import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from lora_engine.data.batches import Step
from lora_engine.output.reporting import Reporter
from lora_engine.output.trees import join, split
from sd_contract.errors import StateError
from sd_contract.output.checkpoints import CheckpointName, RunFacts, SaveSchedule
from sd_contract.output.states import StateManifest, read_manifest, remove_state, write_state

KEPT = 2
VALUES = "values.json"
Tree = Mapping[str, Any]


@dataclass(frozen=True)
class MadeWith:
    """What has to be equal for equal bits."""

    torch_version: str
    threads: int
    device: str
    machine: str

    @classmethod
    def here(cls, device: torch.device) -> MadeWith:
        return cls(torch.__version__, torch.get_num_threads(), device.type, platform.machine())


class States:
    """The states of one run: beside its files where sd-scripts' options ask for them, and the newest in
    `state_dir`. A state that can't be written is a warning: the training is worth more."""

    def __init__(
        self, folder: Path, facts: RunFacts, made_with: MadeWith, collect: Callable[[], Tree], reporter: Reporter
    ) -> None:
        self._folder = folder
        self._facts = facts
        self._made_with = made_with
        self._options = facts.settings.state
        self._own_folder = Path(self._options.state_dir) if self._options.state_dir else None
        self._name = CheckpointName.of(facts.settings, facts.plan)
        self._schedule = SaveSchedule.of(facts.settings, facts.plan)
        self._collect = collect
        self._reporter = reporter
        self._saved_at = monotonic()
        self._kept: list[Path] = []

    def due(self, step: Step) -> bool:
        """Whether the state is saved in `state_dir` after this step; not after the last one."""
        if self._own_folder is None or step.number == self._facts.plan.total_steps:
            return False
        every, minutes = self._options.state_every_n_steps, self._options.state_every_n_minutes
        by_step = every is not None and step.number % every == 0
        return by_step or 0 < minutes * 60 < monotonic() - self._saved_at

    def after(self, step: Step) -> None:
        """Saves what is due after a step, and removes what newer states have replaced."""
        if self._options.save_state:
            self._beside_files(step)
        if self.due(step):
            self._keep(step)

    def at_stop(self, step: Step) -> None:
        """Saves the state from which a stopped run goes on."""
        if self._own_folder is not None:
            self._keep(step)
        else:
            self._write(self._folder / self._name.of_state(self._name.at_step(step.number)), step)

    def at_end(self, step: Step) -> None:
        if self._options.save_state or self._options.save_state_on_train_end:
            self._write(self._folder / self._name.of_state(self._name.at_end()), step)

    def _beside_files(self, step: Step) -> None:
        if self._schedule.saves_step(step.number):
            self._write(self._folder / self._name.of_state(self._name.at_step(step.number)), step)
            kept = self._options.save_last_n_steps_state or self._facts.settings.output.save_last_n_steps
            gone = self._schedule.step_let_go(step.number, kept)
            self._remove(self._name.at_step(gone) if gone else None)
        if step.ends_epoch and self._schedule.saves_epoch(step.epoch):
            self._write(self._folder / self._name.of_state(self._name.at_epoch(step.epoch)), step)
            kept = self._options.save_last_n_epochs_state or self._facts.settings.output.save_last_n_epochs
            gone = self._schedule.epoch_let_go(step.epoch, kept)
            self._remove(self._name.at_epoch(gone) if gone else None)

    def _keep(self, step: Step) -> None:
        assert self._own_folder is not None
        folder = self._own_folder / f"step-{step.number:08d}"
        if self._write(folder, step):
            self._kept = [*(one for one in self._kept if one != folder), folder]
        self._saved_at = monotonic()
        while len(self._kept) > KEPT:
            self._discard(self._kept.pop(0))

    def _remove(self, file: str | None) -> None:
        if file is None:
            return
        folder = self._folder / self._name.of_state(file)
        try:
            read_manifest(folder)
        except StateError:
            return
        self._reporter.note(f"removing old state: {folder}")
        self._discard(folder)

    def _discard(self, folder: Path) -> None:
        try:
            remove_state(folder)
        except OSError as error:
            self._reporter.warn(f"old state {folder} can't be removed: {error.strerror}.")

    def _write(self, folder: Path, step: Step) -> bool:
        self._reporter.note(f"saving state: {folder}")
        try:
            write_state(folder, self._manifest(step), _writers(self._collect()))
        except OSError as error:
            self._reporter.warn(
                f"state {folder} can't be written: {error.strerror}. The LoRA and the states saved before are "
                "safe; make room for the next one."
            )
            return False
        return True

    def _manifest(self, step: Step) -> StateManifest:
        return StateManifest(
            step=step.number,
            epoch=step.epoch,
            seed=self._facts.seed,
            session_id=self._facts.session_id,
            started_at=self._facts.started_at,
            checkpoints=tuple(self._reporter.files),
            options=self._facts.settings.values(),
            made_with=vars(self._made_with),
        )


def keep_tree(folder: Path, manifest: StateManifest, tree: Tree) -> None:
    """Puts a state at `folder`, whole or not at all. OSError when the disk does not take it."""
    write_state(folder, manifest, _writers(tree))


def read_tree(folder: Path) -> dict[str, Any]:
    """The tree that lies in a verified state."""
    rests = json.loads((folder / VALUES).read_text(encoding="utf-8"))
    return {part: join(_tensors_of(folder / f"{part}.safetensors"), rest) for part, rest in rests.items()}


def _tensors_of(file: Path) -> dict[str, torch.Tensor]:
    return load_file(file) if file.exists() else {}


def _writers(tree: Tree) -> dict[str, Callable[[Path], None]]:
    """What writes the files of a tree: one of tensors for each branch that has some, one for all the rest."""
    writers: dict[str, Callable[[Path], None]] = {}
    rests: dict[str, Any] = {}
    for part, branch in tree.items():
        tensors, rests[part] = split(branch)
        if tensors:
            writers[f"{part}.safetensors"] = partial(_write_tensors, tensors)
    writers[VALUES] = partial(_write_json, rests)
    return writers


def _write_tensors(tensors: dict[str, torch.Tensor], path: Path) -> None:
    """OSError when the disk does not take it, for which safetensors has an error of its own."""
    try:
        save_file(tensors, path)
    except SafetensorError as error:
        raise OSError(errno.EIO, str(error).rpartition(": ")[2], str(path)) from error


def _write_json(content: object, path: Path) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")
