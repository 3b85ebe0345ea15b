"""Training in stages: a LoRA learns from all images, then goes on from there once for each concept, with the
images of that concept alone. So concepts that have much in common share what that is, and each file knows one.

Every stage is a training on images as in `lora.py`, with an optimizer and a course of its own. Read from
`train_stages` down."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lora_engine.errors import Stopped
from lora_engine.job import Job
from lora_engine.output.checkpoints import write_whole
from lora_engine.output.reporting import Before, Reporter
from lora_engine.output.states import MadeWith, keep_tree, read_tree
from lora_engine.recipes.lora import trained
from lora_engine.staged_job import StagedJob
from sd_contract.attempt import Outcome
from sd_contract.errors import StateError
from sd_contract.output.checkpoints import SUFFIX, CheckpointName
from sd_contract.output.states import StateManifest, remove_state
from sd_contract.tensors.tensor_files import file_sha256


@dataclass(frozen=True)
class Base:
    """What the first stage has made: its weights as they were saved, unrounded, and what its file is known by."""

    weights: Mapping[str, Tensor]
    autov2: str


def train_stages(staged: StagedJob, reporter: Reporter) -> Outcome:
    """Trains all stages that are left ("done"), or until a stop is asked for ("cancelled": the stage's LoRA is
    saved as it is then, and the run can go on from the stage before). Raises as `train_lora` does."""
    reporter.use_console(staged.settings.logging)
    manifest = staged.resumed.manifest if staged.resumed else None
    reporter.begin(manifest.step if manifest else 0, manifest.checkpoints if manifest else ())
    reporter.total_steps = staged.total_steps
    for message in staged.warnings:
        reporter.warn(message)
    for line in first_lines(staged):
        reporter.say(line)
    write_division(staged)
    states = StageStates(staged, reporter)
    base = states.base()
    for number in range(staged.done, len(staged.jobs)):
        try:
            outcome, made = train_stage(staged, number, base, reporter)
        except Stopped:
            if not number:
                raise
            outcome, made = "cancelled", None
        if outcome != "done":
            states.at_stop(number, base)
            return outcome
        base = base or made
        assert base is not None, "the first stage makes the base"
        if number + 1 < len(staged.jobs):
            states.after(number, base)
            if reporter.stops_after_step(ends_epoch=True):
                states.at_stop(number + 1, base)
                return "cancelled"
    return "done"


def first_lines(staged: StagedJob) -> Iterator[str]:
    """What is going to be done; which images go where stands in a file too."""
    yield "running training in stages"
    for line in staged.division.lines():
        yield f"  {line}"
    for number, job in enumerate(staged.jobs):
        assert job.part is not None, "a stage is a part of its run"
        told = "  done already" if number < staged.done else ""
        yield f"  stage {job.part.name}: {job.plan.total_steps} steps, {job.plan.epochs} epochs{told}"
    yield f"  total optimization steps: {staged.total_steps}"
    yield f"  seed: {staged.seed}"


def write_division(staged: StagedJob) -> None:
    """Puts the list of which images go where beside the files to come."""
    name = f"{staged.settings.output.output_name or 'last'}_concepts.txt"
    lines = "".join(f"{line}\n" for line in staged.division.lines(", ".join))
    write_whole(staged.output_folder / name, lines.encode("utf-8", "surrogateescape"))


def train_stage(
    staged: StagedJob, number: int, base: Base | None, reporter: Reporter
) -> tuple[Outcome, Base | None]:
    """One stage, on a base model of its own; the first one's result is what the others begin with."""
    job = staged.jobs[number]
    assert job.part is not None, "a stage is a part of its run"
    epochs = staged.jobs[0].plan.epochs if number else 0
    reporter.before = Before(staged.steps_before(number), epochs)
    reporter.phase(f"stage {number + 1} of {len(staged.jobs)}: {job.part.name}")
    outcome, learner = trained(commented(job, base), reporter, base.weights if base else None)
    file = job.output_folder / CheckpointName(job.settings.output.output_name).at_end()
    made = (
        Base(learner.weights_as_saved(), file_sha256(file, None)[:10]) if outcome == "done" and not base else None
    )
    del learner
    let_go()
    return outcome, made


def commented(job: Job, base: Base | None) -> Job:
    """The job, whose files tell what they come from besides what the user says."""
    assert job.part is not None, "a stage is a part of its run"
    metadata = job.settings.metadata
    origin = f"multi-stage: base {base.autov2} -> {job.part.name}" if base else f"multi-stage: {job.part.name}"
    comment = "; ".join(filter(None, (metadata.training_comment, origin)))
    return replace(job, settings=replace(job.settings, metadata=replace(metadata, training_comment=comment)))


def let_go() -> None:
    """Gives the memory of a stage's model back before the next one is loaded."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class StageStates:
    """What a run can go on from: the base, after each whole stage. It lies in `state_dir`, else after a stop
    beside the files."""

    def __init__(self, staged: StagedJob, reporter: Reporter) -> None:
        self._staged = staged
        self._reporter = reporter
        self._folder = Path(staged.settings.state.state_dir) if staged.settings.state.state_dir else None
        self._kept: Path | None = None

    def base(self) -> Base | None:
        """The base that an earlier attempt has made. StateError when it is not there."""
        if self._staged.resumed is None:
            return None
        folder = self._staged.resumed.folder
        tree: dict[str, Any] = read_tree(folder)
        try:
            found = Base(tree["base"], tree["stages"]["autov2"])
        except (KeyError, TypeError) as error:
            raise StateError(f"state {folder} holds no base. Begin anew.") from error
        self._reporter.note(f"resuming from {folder}: {self._staged.done} stages are done")
        return found

    def after(self, number: int, base: Base) -> None:
        """Keeps what there is after a stage, in place of what was kept before."""
        if self._folder is None:
            return
        step = self._staged.steps_before(number + 1)
        folder, earlier = self._folder / f"step-{step:08d}", self._kept
        if self._write(folder, number + 1, base):
            self._kept = folder
            if earlier is not None:
                remove_state(earlier)

    def at_stop(self, done: int, base: Base | None) -> None:
        if base is None or self._folder is not None:
            return
        name = CheckpointName(self._staged.jobs[0].settings.output.output_name)
        self._write(self._staged.output_folder / name.of_state(f"{name.stem}{SUFFIX}"), done, base)

    def _write(self, folder: Path, done: int, base: Base) -> bool:
        self._reporter.note(f"saving state: {folder}")
        try:
            keep_tree(folder, self._manifest(done), {"base": base.weights, "stages": {"autov2": base.autov2}})
        except OSError as error:
            self._reporter.warn(f"state {folder} can't be written: {error.strerror}. The files are safe.")
            return False
        return True

    def _manifest(self, done: int) -> StateManifest:
        staged = self._staged
        return StateManifest(
            step=staged.steps_before(done),
            epoch=staged.jobs[0].plan.epochs,
            seed=staged.seed,
            session_id=staged.session_id,
            started_at=staged.started_at,
            checkpoints=tuple(self._reporter.files),
            options=staged.settings.values(),
            made_with=vars(MadeWith.here(torch.device("cuda" if torch.cuda.is_available() else "cpu"))),
        )
