"""Trying it: a few real steps with the very options of a run, to see what memory they take and how long they last.

The trainer is started as a run's is, but in a scratch folder that is removed afterwards. It has the device to
itself, as a job has: while the queue works there, nothing is tried.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sd_contract.attempt import EVENTS_VARIABLE, Attempt, read_result
from sd_contract.events import StepDone, Tail
from train_tools.errors import NotNowError
from train_tools.failures.diagnosis import UNKNOWN, Evidence, diagnose
from train_tools.files import last_lines
from train_tools.jobs.kind import Exit, Launch
from train_tools.jobs.lease import Lease, state_folder
from train_tools.jobs.slots import Slot
from train_tools.jobs.tree import ProcessTree, bearers
from train_tools.memory.watch import MemoryWatch, watch_of
from train_tools.model.dataset import Dataset
from train_tools.model.job import JobState
from train_tools.model.paths import AttemptPaths, RunPaths, VersionPaths
from train_tools.options.table import engine_options
from train_tools.runs.engine import AttemptFiles, Engine, RunFiles
from train_tools.runs.training import LINES_LOOKED_AT, output_name

STEPS = 2
"""The first makes the optimizer's memory, the second has it beside all that is kept for the gradients."""
POLL_S = 0.1
LEFT_OUT = (
    "max_train_epochs",
    "resume",
    "save_every_n_epochs",
    "save_every_n_steps",
    "save_n_epoch_ratio",
    "save_last_n_epochs",
    "save_last_n_steps",
    "save_last_n_epochs_state",
    "save_last_n_steps_state",
    "save_state",
    "save_state_on_train_end",
    "sample_prompts",
    "sample_every_n_steps",
    "sample_every_n_epochs",
    "sample_at_first",
    "validation_split",
    "validate_every_n_steps",
    "validate_every_n_epochs",
    "logging_dir",
    "log_with",
    "log_tracker_config",
    "log_config",
)
"""Options that say how long to train and what to write on the way: of no use in a few steps."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What is to be tried: the options of a run with the base model and dataset they name."""

    options: Mapping[str, Any]
    base_model: Path
    dataset: Dataset
    version: VersionPaths
    """The scratch folder lies there."""
    cache: Path


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What a few steps took. `message` says what went wrong, with a cure; it is empty when nothing did. Figures of
    a trial that failed are those up to its end."""

    device: str
    peak_bytes: int
    seconds_per_step: float | None
    message: str = ""

    @property
    def works(self) -> bool:
        return not self.message


def probe(engine: Engine, trial: Trial, slot: Slot) -> Probe:
    """Tries the steps on the device of that slot and waits for their end. NotNowError while a job has the device;
    the engine's errors for what it can't train. Ctrl-C ends the trainer; whatever happens, nothing is left."""
    with _slot_held(slot) as lease, _scratch(trial.version, slot) as folder:
        files = RunFiles(
            paths=RunPaths(folder),
            options=shortened(trial.options),
            base_model=trial.base_model,
            dataset=trial.dataset,
            output_name=output_name(trial.version),
        )
        paths = AttemptPaths.of(folder, 1)
        paths.output.mkdir(parents=True)
        engine.write(files)
        launch = engine.launch(
            files, AttemptFiles(output=paths.output, states=paths.states, resume=None, cache=trial.cache)
        )
        watch = watch_of(slot, _cookie(slot))
        exit_ = _run(launch, paths, slot, lease, watch)
        return _found(engine, paths, exit_, slot, watch)


def shortened(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options for a few steps that leave nothing behind."""
    kept = {name: value for name, value in engine_options(options).items() if name not in LEFT_OUT}
    return {**kept, "max_train_steps": STEPS}


def _run(launch: Launch, paths: AttemptPaths, slot: Slot, lease: Lease, watch: MemoryWatch) -> Exit:
    """Starts the trainer and looks at its memory until the last of its processes has ended."""
    events = Attempt(paths.folder).events
    environment = {**os.environ, **slot.environment, **launch.environment, EVENTS_VARIABLE: str(events)}
    with paths.log.open("ab", buffering=0) as log:
        try:
            tree = ProcessTree(
                launch.command,
                folder=launch.folder,
                environment=environment,
                stdin=lease.file,
                log=log,
                cookie=_cookie(slot),
            )
        except OSError as error:
            return Exit(code=127, reason=f"{launch.command[0]} could not be started: {error}")
        try:
            return Exit(code=_watched(tree, watch))
        except BaseException:  # Ctrl-C
            tree.kill()
            raise


def _watched(tree: ProcessTree, watch: MemoryWatch) -> int:
    """The exit code, once no process of the tree is left: the launcher's end is not the trainer's."""
    while (code := tree.wait(POLL_S)) is None or bearers(tree.cookie):
        watch.look()
        if code is not None:
            time.sleep(POLL_S)
    return code


def _found(engine: Engine, paths: AttemptPaths, exit_: Exit, slot: Slot, watch: MemoryWatch) -> Probe:
    attempt = Attempt(paths.folder)
    steps = [event for event in Tail(attempt.events).events() if isinstance(event, StepDone)]
    probed = Probe(
        device=slot.name,
        peak_bytes=watch.peak_bytes,
        seconds_per_step=steps[-1].seconds if steps else None,
    )
    result = read_result(attempt)
    verdict = engine.judge(attempt, exit_, result)
    if verdict.state is JobState.DONE:
        return probed
    log = last_lines(paths.log, LINES_LOOKED_AT)
    told = diagnose(Evidence(log=log, exit_=exit_, result=result, message=verdict.message))
    if told.name == UNKNOWN and exit_.reason:
        return replace(probed, message=exit_.reason)
    return replace(probed, message=f"{told.happened} {told.advice}".strip())


@contextmanager
def _slot_held(slot: Slot) -> Iterator[Lease]:
    """The lease that the trainer inherits, with the slot taken for it: as long as any process of it lives, no job
    gets the device."""
    path = state_folder() / "leases" / "probes" / f"{slot.name}.lock"
    lease = Lease.take(path)
    held = slot.take(path) if lease is not None else None
    try:
        if lease is None or held is None:
            raise NotNowError(
                f"{slot.name} is at work for a job, so nothing can be tried there. Try again when that is done, "
                "or pause the queue with `train-tools queue pause`."
            )
        yield lease
    finally:
        for one in (held, lease):
            if one is not None:
                one.release()


@contextmanager
def _scratch(version: VersionPaths, slot: Slot) -> Iterator[Path]:
    """A folder of the version's that is gone afterwards; so is one that an earlier trial was killed in. Who has
    the slot has it alone."""
    folder = version.trial(slot.name)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _cookie(slot: Slot) -> str:
    """What every process of a trial bears in its environment."""
    return f"probe/{os.getpid()}/{slot.name}"
