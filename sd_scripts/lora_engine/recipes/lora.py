"""LoRA training on images and captions: the denoising loss of Stable Diffusion, AdamW, kohya's files.

Read from `train_lora` down. Shapes: B batch, C channels, H and W latent cells, T tokens, D text width."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch

from lora_engine.data.checks import CACHE_VARIABLE
from lora_engine.errors import NotANumberError
from lora_engine.families import Family, load
from lora_engine.families.speed import hurry, refuse_missing_attention
from lora_engine.job import Job
from lora_engine.maths.optimizers import optimizer_name, refuse_missing_device
from lora_engine.maths.precision import Precision
from lora_engine.maths.schedules import follows_itself
from lora_engine.output.causes import no_number
from lora_engine.output.checkpoints import Checkpoints, write_whole
from lora_engine.output.curves import Curves, refuse_missing_package
from lora_engine.output.progress import Progress
from lora_engine.output.reporting import Reporter
from lora_engine.output.samples import Painter, Samples
from lora_engine.output.spilling import SpillWatch
from lora_engine.output.states import MadeWith, States
from lora_engine.recipes.inputs import encode_images, refuse_broken_latents
from lora_engine.recipes.learner import Learner
from lora_engine.recipes.resumption import restore, state_of, steps_to_do
from lora_engine.recipes.validation import Validation
from sd_contract.attempt import Outcome
from sd_contract.curves import told_options
from sd_contract.options import Settings, optimizer_arguments
from sd_contract.options.known_optimizers import KNOWN
from sd_contract.output.checkpoints import CheckpointName, FileHashes, RunFacts
from sd_contract.output.dataset_facts import tag_list
from sd_contract.tensors.tensor_files import file_sha256, legacy_file_hash

STEADY = ("constant", "constant_with_warmup")


def train_lora(job: Job, reporter: Reporter) -> Outcome:
    """Trains to the last step ("done") or until a stop is asked for ("cancelled", the LoRA saved as it is
    then). Raises a ContractError when something the user can change is wrong, Stopped when asked before the
    first step."""
    reporter.use_console(job.settings.logging)
    reporter.begin(job.from_step, job.resumed.manifest.checkpoints if job.resumed else ())
    started_at = time.time()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    precision = Precision.chosen(job.settings.training.mixed_precision, device)
    refuse_missing_device(job.settings.optimizer.optimizer, device)
    refuse_missing_attention(job.settings.training, device)
    if job.curves is not None:
        refuse_missing_package()
    cache_folder = Path(os.environ[CACHE_VARIABLE]) if os.environ.get(CACHE_VARIABLE) else None
    announce(job, device, reporter)
    spilling = SpillWatch.on(device, reporter.warn)

    reporter.phase("loading the base model")
    model = load_model(job, device, precision)
    facts = run_facts(job, started_at, cache_folder)

    reporter.phase("encoding the images")
    vae = model.vae if job.sample_prompts else None
    encoded = encode_images(job, model, cache_folder, reporter)
    if vae is not None and encoded.encoder is None:
        vae.to("cpu")
    refuse_broken_latents(encoded)
    write_tags(job)

    reporter.phase("training")
    torch.manual_seed(job.seed)
    learner = Learner(job, model, encoded, precision, reporter.warn)
    progress = Progress(
        reporter,
        job.plan.total_steps,
        job.plan.steps_per_epoch,
        partial(explain, job),
        from_step=job.from_step,
        curves=begin_curves(job, reporter),
    )
    restore(job, device, learner, progress, reporter)
    checkpoints = Checkpoints(job.output_folder, facts, learner.tensors, reporter)
    states = States(
        job.output_folder, facts, MadeWith.here(device), partial(state_of, learner, progress), reporter
    )
    painter = Painter(model, vae, precision, learner.as_saved)
    samples = Samples(job.output_folder, job.settings, job.sample_prompts, painter, reporter)
    validation = Validation(job, learner, progress)
    if job.from_step == 0:
        samples.at_first()
    for step in steps_to_do(job, learner.streams):
        figures = learner.learn(step)
        progress.add(step, figures)
        spilling.after_step()
        stopping = reporter.stops_after_step(ends_epoch=step.ends_epoch)
        if checkpoints.due(step) or states.due(step) or stopping or step.number == job.plan.total_steps:
            progress.settle()
            if not learner.is_sound:
                what = "the LoRA's weights are no longer numbers"
                raise NotANumberError(explain(job, what, step.number, figures.learning_rate, progress.window))
        checkpoints.after(step)
        states.after(step)
        samples.after(step.number, step.epoch, ends_epoch=step.ends_epoch)
        validation.after(step)
        if stopping:
            break
    progress.close()

    if step.number < job.plan.total_steps:
        states.at_stop(step)  # before the file, which is none of a run that goes on
        checkpoints.at_step(step)
        return "cancelled"
    checkpoints.at_end(step)
    states.at_end(step)
    return "done"


def write_tags(job: Job) -> None:
    """Puts the list of the captions' tags beside the files to come (S1-47)."""
    name = CheckpointName(job.settings.output.output_name).at_end()
    write_whole((job.output_folder / name).with_suffix(".txt"), tag_list(job.datasets).encode("utf-8"))


def begin_curves(job: Job, reporter: Reporter) -> Curves | None:
    """The file of curves, if any are wanted."""
    if job.curves is None:
        return None
    options = told_options(job.settings) if job.settings.logging.log_config else {}
    return Curves(job.curves, options, reporter)


def explain(job: Job, what: str, step: int, rate: float, losses: Sequence[float]) -> str:
    """Why something is no number, for the one who has to change it."""
    first = step == job.from_step + 1 and "loss" in what
    return no_number(what, job.settings, job.base, step=step, first=first, rate=rate, losses=losses)


def announce(job: Job, device: torch.device, reporter: Reporter) -> None:
    """The lines that sd-scripts begins with, and every warning the job has gathered."""
    reporter.total_steps = job.plan.total_steps
    for message in (*job.warnings, *settings_warnings(job.settings)):
        reporter.warn(message)
    options = job.settings.training
    batch_sizes = ", ".join(str(collected.dataset.batch_size) for collected in job.datasets)
    for line in (
        f"accelerator device: {device}",
        "running training",
        f"  num train images * repeats: {sum(one.samples_of(is_reg=False) for one in job.datasets)}",
        f"  num validation images * repeats: {sum(one.samples for one in job.validation)}",
        f"  num reg images: {sum(one.samples_of(is_reg=True) for one in job.datasets)}",
        f"  num batches per epoch: {job.plan.batches_per_epoch}",
        f"  num epochs: {job.plan.epochs}",
        f"  batch size per device: {batch_sizes}",
        f"  gradient accumulation steps = {options.gradient_accumulation_steps}",
        f"  total optimization steps: {job.plan.total_steps}",
        f"  seed: {job.seed}",
    ):
        reporter.say(line)


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
        session_id=job.resumed.manifest.session_id if job.resumed else secrets.randbits(32),
        started_at=job.resumed.manifest.started_at if job.resumed else started_at,
    )
