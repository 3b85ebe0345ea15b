"""LoRA training on images and captions: the denoising loss of Stable Diffusion, AdamW, kohya's files.

Read from `train_lora` down. Shapes: B batch, C channels, H and W latent cells, T tokens, D text width."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import torch
from torch import Tensor

from lora_engine.job import Job
from lora_engine.output.checkpoints import write_whole
from lora_engine.output.reporting import Reporter
from lora_engine.recipes.inputs import encode_images, refuse_broken_latents
from lora_engine.recipes.learner import Learner
from lora_engine.recipes.resumption import steps_to_do
from lora_engine.recipes.run import Run
from lora_engine.recipes.validation import validating
from sd_contract.attempt import Outcome
from sd_contract.output.checkpoints import CheckpointName
from sd_contract.output.dataset_facts import tag_list


def train_lora(job: Job, reporter: Reporter) -> Outcome:
    """Trains to the last step ("done") or until a stop is asked for ("cancelled", the LoRA saved as it is
    then). Raises a ContractError when something the user can change is wrong, Stopped when asked before the
    first step."""
    return trained(job, reporter)[0]


def trained(
    job: Job, reporter: Reporter, begin_with: Mapping[str, Tensor] | None = None
) -> tuple[Outcome, Learner]:
    """The same, and what has learnt; it begins with these weights, if any."""
    run = Run(job, reporter)
    run.announce(first_lines(job, run.device))
    model = run.load_model()

    reporter.phase("encoding the images")
    vae = model.vae if job.sample_prompts else None
    encoded = encode_images(job, model, run.cache_folder, reporter)
    if vae is not None and encoded.encoder is None:
        vae.to("cpu")
    refuse_broken_latents(encoded)
    write_tags(job)

    reporter.phase("training")
    torch.manual_seed(job.seed)
    learner = Learner(job, model, encoded, run.precision, reporter.warn)
    if begin_with is not None:
        learner.begin_with(begin_with)
    steps = steps_to_do(job, learner.streams)
    return run.carry_through(learner, steps, vae, partial(validating, job, learner)), learner


def write_tags(job: Job) -> None:
    """Puts the list of the captions' tags beside the files to come (S1-47)."""
    name = CheckpointName.of(job.settings, job.plan).at_end()
    write_whole((job.output_folder / name).with_suffix(".txt"), tag_list(job.datasets).encode("utf-8"))


def first_lines(job: Job, device: torch.device) -> Iterator[str]:
    """The lines that sd-scripts begins with."""
    batch_sizes = ", ".join(str(collected.dataset.batch_size) for collected in job.datasets)
    yield f"accelerator device: {device}"
    yield "running training"
    yield f"  num train images * repeats: {sum(one.samples_of(is_reg=False) for one in job.datasets)}"
    yield f"  num validation images * repeats: {sum(one.samples for one in job.validation)}"
    yield f"  num reg images: {sum(one.samples_of(is_reg=True) for one in job.datasets)}"
    yield f"  num batches per epoch: {job.plan.batches_per_epoch}"
    yield f"  num epochs: {job.plan.epochs}"
    yield f"  batch size per device: {batch_sizes}"
    yield f"  gradient accumulation steps = {job.settings.training.gradient_accumulation_steps}"
    yield f"  total optimization steps: {job.plan.total_steps}"
    yield f"  seed: {job.seed}"
