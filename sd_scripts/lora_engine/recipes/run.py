"""What every recipe does around its steps: begins, loads the model, follows the losses, saves what is due, stops
when asked to."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from lora_engine.data.batches import Step
from lora_engine.data.checks import CACHE_VARIABLE
from lora_engine.errors import NotANumberError
from lora_engine.families import Family, load
from lora_engine.families.speed import hurry, refuse_missing_attention
from lora_engine.job import Job, Part
from lora_engine.maths.optimizers import optimizer_name, refuse_missing_device
from lora_engine.maths.precision import Precision
from lora_engine.maths.schedules import follows_itself
from lora_engine.output.causes import no_number
from lora_engine.output.checkpoints import Checkpoints
from lora_engine.output.curves import Curves, refuse_missing_package
from lora_engine.output.loss_table import SUFFIX as TABLE_SUFFIX
from lora_engine.output.loss_table import LossTable
from lora_engine.output.progress import CurveFile, Figures, Progress
from lora_engine.output.reporting import Reporter
from lora_engine.output.samples import Painter, Samples
from lora_engine.output.spilling import SpillWatch
from lora_engine.output.states import MadeWith, States
from lora_engine.recipes.resumption import restore, state_of
from sd_contract.attempt import Outcome
from sd_contract.curves import told_options
from sd_contract.options import Settings, optimizer_arguments
from sd_contract.options.groups import MULTI_STAGE
from sd_contract.options.known_optimizers import KNOWN
from sd_contract.output.checkpoints import STAGE, STAGES, UNTITLED, FileHashes, RunFacts
from sd_contract.tensors.tensor_files import file_sha256, legacy_file_hash

STEADY = ("constant", "constant_with_warmup")
Watch = Callable[[Step], None]
"""What looks at the learner after a step: a validation."""


def watching_nothing(progress: Progress) -> Watch:
    """Of a recipe that nothing but its losses is told of."""
    return lambda step: None


class Learner(Protocol):
    """What a recipe makes better, and what is saved of it."""

    @property
    def model(self) -> Family: ...

    @property
    def is_sound(self) -> bool: ...

    def learn(self, step: Step) -> Figures: ...

    def state(self) -> dict[str, Any]: ...

    def take_up(self, state: Mapping[str, Any]) -> None: ...

    def tensors(self, dtype: torch.dtype) -> Mapping[str, Tensor]: ...

    def as_saved(self) -> AbstractContextManager[None]: ...


class Run:
    """One run's way from its first step to its last, with everything that is written on it."""

    def __init__(self, job: Job, reporter: Reporter) -> None:
        """Begins the run. ContractError when the machine lacks what the options ask for."""
        self.job = job
        self.reporter = reporter
        self.started_at = time.time()
        reporter.use_console(job.settings.logging)
        if job.part is None:
            reporter.begin(job.from_step, job.resumed.manifest.checkpoints if job.resumed else ())
            reporter.total_steps = job.plan.total_steps
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.precision = Precision.chosen(job.settings.training.mixed_precision, self.device)
        refuse_missing_device(job.settings.optimizer.optimizer, self.device)
        refuse_missing_attention(job.settings.training, self.device)
        if job.curves is not None:
            refuse_missing_package()
        self.cache_folder = Path(os.environ[CACHE_VARIABLE]) if os.environ.get(CACHE_VARIABLE) else None

    def announce(self, lines: Iterable[str]) -> None:
        """Says these lines, and every warning the job has gathered."""
        for message in (*self.job.warnings, *settings_warnings(self.job.settings)):
            self.reporter.warn(message)
        for line in lines:
            self.reporter.say(line)
        self.spilling = SpillWatch.on(self.device, self.reporter.warn)

    def load_model(self) -> Family:
        """The base model, ready to be trained on; what the files will tell of it is known from now on."""
        self.reporter.phase("loading the base model")
        model = load_model(self.job, self.device, self.precision)
        self.facts = run_facts(self.job, self.started_at, self.cache_folder)
        return model

    def carry_through(
        self,
        learner: Learner,
        steps: Iterable[Step],
        vae: nn.Module | None,
        watching: Callable[[Progress], Watch] = watching_nothing,
    ) -> Outcome:
        """Learns from these steps, to the last ("done") or until a stop is asked for ("cancelled", the LoRA saved
        as it is then). The VAE paints samples, if there are to be any; what watches is called after each step."""
        job, reporter, total = self.job, self.reporter, self.job.plan.total_steps
        device = self.device
        progress = Progress(
            reporter,
            total,
            job.plan.steps_per_epoch,
            partial(explain, job),
            from_step=job.from_step,
            curves=begin_curves(job, reporter),
        )
        restore(job, device, learner, progress, reporter)
        checkpoints = Checkpoints(job.output_folder, self.facts, learner.tensors, reporter)
        states = States(
            job.output_folder, self.facts, MadeWith.here(device), partial(state_of, learner, progress), reporter
        )
        painter = Painter(learner.model, vae, self.precision, learner.as_saved)
        samples = Samples(job.output_folder, job.settings, job.sample_prompts, painter, reporter)
        watch = watching(progress)
        if job.from_step == 0:
            samples.at_first()
        for step in steps:
            figures = learner.learn(step)
            progress.add(step, figures)
            self.spilling.after_step()
            stopping = reporter.stops_after_step(ends_epoch=step.ends_epoch)
            if checkpoints.due(step) or states.due(step) or stopping or step.number == total:
                progress.settle()
                if not learner.is_sound:
                    what = "the LoRA's weights are no longer numbers"
                    raise NotANumberError(explain(job, what, step.number, figures.learning_rate, progress.window))
            checkpoints.after(step)
            states.after(step)
            samples.after(step.number, step.epoch, ends_epoch=step.ends_epoch)
            watch(step)
            if stopping:
                break
        progress.close()

        if step.number < total:
            if job.part is None:  # a run of several stages goes on from the last whole one
                states.at_stop(step)  # before the file, which is none of a run that goes on
            checkpoints.at_step(step)
            return "cancelled"
        checkpoints.at_end(step)
        states.at_end(step)
        return "done"


@dataclass(frozen=True)
class Told:
    """Everything that keeps the points of curves."""

    files: tuple[CurveFile, ...]

    def add(self, place: int, values: Mapping[str, float]) -> None:
        for file in self.files:
            file.add(place, values)

    def close(self) -> None:
        for file in self.files:
            file.close()


def begin_curves(job: Job, reporter: Reporter) -> Told:
    """The files of curves that are wanted, if any."""
    files: list[CurveFile] = []
    if job.curves is not None:
        options = told_options(job.settings) if job.settings.logging.log_config else {}
        files.append(Curves(job.curves, options, reporter))
    if job.settings.logging.logging_save_csv:
        table = job.output_folder / f"{job.settings.output.output_name or UNTITLED}{TABLE_SUFFIX}"
        files.append(LossTable(table, job.settings, job.plan, reporter))
    return Told(tuple(files))


def explain(job: Job, what: str, step: int, rate: float, losses: Sequence[float]) -> str:
    """Why something is no number, for the one who has to change it."""
    first = step == job.from_step + 1 and "loss" in what
    return no_number(what, job.settings, job.base, step=step, first=first, rate=rate, losses=losses)


def settings_warnings(settings: Settings) -> list[str]:
    """What the settings ask for that is done otherwise, or that surprises."""
    options = settings.optimizer
    warnings = [
        f"the {part.replace('_', ' ')} part is not trained: its learning rate is 0"
        for part in settings.trained_parts
        if settings.learning_rate_of(part) == 0
    ]
    if options.lr_scheduler == "constant" and options.lr_warmup_steps:
        warnings.append('lr_scheduler "constant" has no warm-up; "constant_with_warmup" is used')
    if follows_itself(settings) and (options.lr_scheduler_type or options.lr_scheduler not in STEADY):
        named = options.lr_scheduler_type or options.lr_scheduler
        warnings.append(f"{options.optimizer} needs no course of the learning rate: {named} has no effect")
    stand_in = KNOWN[options.optimizer].stands_for if options.optimizer in KNOWN else ""
    if stand_in:
        warnings.append(f'optimizer_type "{options.optimizer}" {stand_in}')
    return warnings


def load_model(job: Job, device: torch.device, precision: Precision) -> Family:
    """The base model, ready to be trained on."""
    folder = job.settings.model.tokenizer_cache_dir
    model = load(job.base, device=device, dtype=precision.dtype, tokenizer_folder=Path(folder) if folder else None)
    if job.settings.training.gradient_checkpointing:
        model.save_memory()
    hurry(model, job.settings.training)
    return model


def hashes_of(path: Path, cache_folder: Path | None) -> FileHashes | None:
    """The hashes of a model's file; None for a folder."""
    if path.is_dir():
        return None
    return FileHashes(file_sha256(path, cache_folder), legacy_file_hash(path))


def run_facts(job: Job, started_at: float, cache_folder: Path | None) -> RunFacts:
    """What every checkpoint's metadata will tell of this run."""
    arguments = optimizer_arguments(job.settings.optimizer)
    earlier = job.part or (job.resumed.manifest if job.resumed else None)
    return RunFacts(
        settings=job.settings,
        seed=job.seed,
        plan=job.plan,
        base=job.base,
        base_hashes=hashes_of(job.base.path, cache_folder),
        vae_hashes=hashes_of(job.base.vae_path, cache_folder) if job.base.vae_path else None,
        datasets=job.datasets,
        validation=job.validation,
        optimizer=optimizer_name(job.settings.optimizer.optimizer, arguments),
        session_id=earlier.session_id if earlier else secrets.randbits(32),
        started_at=earlier.started_at if earlier else started_at,
        stage=_stage_facts(job.part) if job.part else {},
    )


def _stage_facts(part: Part) -> dict[str, object]:
    keywords = {"stage_keywords": ", ".join(part.keywords)} if part.keywords else {}
    return {"mode": MULTI_STAGE, STAGE: part.name, STAGES: part.stages, **keywords}
