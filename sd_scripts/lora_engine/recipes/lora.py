"""LoRA training on images and captions: the denoising loss of Stable Diffusion, AdamW, kohya's files.

Read from `train_lora` down. Shapes: B batch, C channels, H and W latent cells, T tokens, D text width."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lora_engine.data.batches import Batch, Step, run_steps
from lora_engine.data.latents import ImageKey, Moments
from lora_engine.families import sd1
from lora_engine.job import Job
from lora_engine.maths.losses import min_snr_weight, squared_error
from lora_engine.maths.noise import NoiseSchedule, draw_noise, draw_timesteps
from lora_engine.maths.optimizers import ParameterGroup, make_optimizer, set_learning_rate
from lora_engine.maths.schedules import learning_rate_factor
from lora_engine.maths.streams import Streams
from lora_engine.networks.lora import LoraNetwork
from lora_engine.output.checkpoints import Checkpoints
from lora_engine.output.progress import Progress
from lora_engine.output.reporting import Reporter
from lora_engine.recipes.inputs import Latents, Text, encode_images
from sd_contract.attempt import Outcome
from sd_contract.checkpoints import RunFacts
from sd_contract.errors import OptionError
from sd_contract.options import Settings, optimizer_arguments
from sd_contract.steps import warmup_steps
from sd_contract.tensor_files import file_sha256, legacy_file_hash
from sd_contract.tensor_names import Part

CACHE_VARIABLE = "TRAIN_TOOLS_CACHE"


def train_lora(job: Job, reporter: Reporter) -> Outcome:
    """Trains to the last step ("done") or until a stop is asked for ("cancelled", the LoRA saved as it is
    then). Raises a ContractError when something the user can change is wrong, Stopped when asked before the
    first step."""
    started_at = time.time()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    precision = Precision.chosen(job.settings.training.mixed_precision, device)
    cache_folder = Path(os.environ[CACHE_VARIABLE]) if os.environ.get(CACHE_VARIABLE) else None
    announce(job, device, reporter)

    reporter.phase("loading the base model")
    model = load_model(job, device, precision)
    facts = run_facts(job, started_at, cache_folder)

    reporter.phase("encoding the images")
    moments = encode_images(job, model, cache_folder, reporter)

    reporter.phase("training")
    learner = Learner(job, model, moments, precision)
    checkpoints = Checkpoints(job.output_folder, facts, learner.network.tensors, reporter)
    progress = Progress(reporter, job.plan.total_steps, job.plan.steps_per_epoch)
    accumulation = job.settings.training.gradient_accumulation_steps
    for step in run_steps(job.datasets, job.plan, learner.streams, accumulation):
        loss, learning_rate = learner.learn(step)
        progress.add(step, loss, learning_rate)
        stopping = reporter.stop_requested
        if checkpoints.due(step) or stopping or step.number == job.plan.total_steps:
            progress.settle()
        checkpoints.after(step)
        if stopping:
            break
    progress.close()

    if step.number < job.plan.total_steps:
        checkpoints.at_step(step)
        return "cancelled"
    checkpoints.at_end(step)
    return "done"


@dataclass(frozen=True)
class Precision:
    """The number format of the frozen model; the LoRA itself is always trained in float32."""

    dtype: torch.dtype
    device: torch.device

    @classmethod
    def chosen(cls, name: str, device: torch.device) -> Precision:
        """OptionError when the device can't train in that format."""
        if name == "fp16" and device.type == "cpu":
            raise OptionError(
                'mixed_precision = "fp16" does not work on a CPU. Use "no" or "bf16", or train on a GPU.'
            )
        if name == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported():
            raise OptionError('mixed_precision = "bf16" does not work on this GPU. Use "fp16" or "no".')
        return cls({"no": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[name], device)

    @property
    def is_mixed(self) -> bool:
        return self.dtype != torch.float32

    def autocast(self) -> AbstractContextManager[object]:
        return torch.autocast(self.device.type, self.dtype, enabled=self.is_mixed)

    def scaler(self) -> torch.amp.GradScaler:
        """Keeps small fp16 gradients from vanishing; does nothing in other formats."""
        return torch.amp.GradScaler(self.device.type, enabled=self.dtype == torch.float16)


class Learner:
    """The LoRA and all that one step needs to improve it."""

    def __init__(
        self, job: Job, model: sd1.StableDiffusion1, moments: dict[ImageKey, Moments], precision: Precision
    ) -> None:
        self.job = job
        self.settings = job.settings
        self.model = model
        self.precision = precision
        self.streams = Streams(job.seed)
        self.network = attach_network(self.settings, model, self.streams)
        self.groups = parameter_groups(self.settings, self.network)
        self.optimizer = make_optimizer(
            self.settings.optimizer.optimizer_type, self.groups, optimizer_arguments(self.settings.optimizer)
        )
        self.scaler = precision.scaler()
        self.schedule = NoiseSchedule(precision.device)
        self.latents = Latents(self.settings, moments, self.streams)
        self.text = Text(self.settings, model, self.streams, trained=self._trains("text_encoder"))

    def learn(self, step: Step) -> tuple[Tensor, float]:
        """Moves the LoRA once. Returns the step's mean loss, still on the device, and the learning rate
        used."""
        self._set_learning_rate(step)
        losses = [self._backward(batch) for batch in step.batches]
        self._move()
        return torch.stack(losses).mean(), self.optimizer.param_groups[-1]["lr"]

    def sample_losses(self, batch: Batch) -> Tensor:
        """The weighted loss of each sample: B."""
        samples = [sample.number for sample in batch.samples]
        x0_BCHW = self.latents.of(batch).to(self.precision.device) * self.model.scaling_factor
        offset = self.settings.loss.noise_offset
        noise_BCHW = draw_noise(self.streams, samples, x0_BCHW.shape[1:], offset).to(x0_BCHW.device)
        t_B = draw_timesteps(self.streams, samples).to(x0_BCHW.device)
        noisy_BCHW = self.schedule.add(x0_BCHW, noise_BCHW, t_B)
        with self.precision.autocast():
            text_BTD = self.text.of(batch)
            prediction_BCHW = self.model.predict(noisy_BCHW.to(self.precision.dtype), t_B, text_BTD)
        is_v = self.job.base.v_prediction
        target_BCHW = self.schedule.velocity(x0_BCHW, noise_BCHW, t_B) if is_v else noise_BCHW
        return squared_error(prediction_BCHW, target_BCHW) * self._weights(batch, t_B)

    def _weights(self, batch: Batch, t_B: Tensor) -> Tensor:
        prior = self.settings.loss.prior_loss_weight
        weights = [prior if sample.item.subset.is_reg else 1.0 for sample in batch.samples]
        weights_B = torch.tensor(weights, device=t_B.device)
        gamma = self.settings.loss.min_snr_gamma
        if not gamma:
            return weights_B
        snr_B = self.schedule.snr(t_B)
        return weights_B * min_snr_weight(snr_B, gamma, v_prediction=self.job.base.v_prediction)

    def _backward(self, batch: Batch) -> Tensor:
        loss = self.sample_losses(batch).mean()
        accumulated = loss / self.settings.training.gradient_accumulation_steps
        torch.autograd.backward(self.scaler.scale(accumulated))
        return loss.detach()

    def _move(self) -> None:
        longest = self.settings.optimizer.max_grad_norm
        if longest:
            self.scaler.unscale_(self.optimizer)
            trained = [parameter for group in self.groups for parameter in group.parameters]
            torch.nn.utils.clip_grad_norm_(trained, longest)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)

    def _set_learning_rate(self, step: Step) -> None:
        name, total = effective_scheduler(self.settings), self.job.plan.total_steps
        warmup = warmup_steps(self.settings, total)
        set_learning_rate(self.optimizer, learning_rate_factor(name, step.number - 1, total, warmup))

    def _trains(self, part: Part) -> bool:
        return any(group.name == part for group in self.groups)


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
        for part in trained_parts(settings)
        if learning_rate_of(settings, part) == 0
    ]
    if options.lr_scheduler == "constant" and options.lr_warmup_steps:
        warnings.append('lr_scheduler "constant" has no warm-up; "constant_with_warmup" is used')
    if options.text_encoder_lr and len(options.text_encoder_lr) > 1:
        warnings.append("SD1 has one text encoder: only the first value of text_encoder_lr is used")
    return warnings


def effective_scheduler(settings: Settings) -> str:
    name = settings.optimizer.lr_scheduler
    return "constant_with_warmup" if name == "constant" and settings.optimizer.lr_warmup_steps else name


def load_model(job: Job, device: torch.device, precision: Precision) -> sd1.StableDiffusion1:
    """The base model, ready to be trained on."""
    folder = job.settings.model.tokenizer_cache_dir
    model = sd1.load(
        job.base, device=device, dtype=precision.dtype, tokenizer_folder=Path(folder) if folder else None
    )
    if job.settings.training.gradient_checkpointing:
        model.save_memory()
    return model


def attach_network(settings: Settings, model: sd1.StableDiffusion1, streams: Streams) -> LoraNetwork:
    """A new LoRA on the parts that the settings want trained."""
    parts = trained_parts(settings)
    return LoraNetwork.attach(
        model.unet if "unet" in parts else None,
        model.text_encoder if "text_encoder" in parts else None,
        rank=settings.rank,
        alpha=settings.alpha,
        streams=streams,
    )


def parameter_groups(settings: Settings, network: LoraNetwork) -> list[ParameterGroup]:
    """The parts with their learning rates, text encoder first. A rate of 0 leaves a part in the file
    untrained."""
    groups = []
    for part in trained_parts(settings):
        parameters = network.parameters(part)
        rate = learning_rate_of(settings, part)
        if rate > 0:
            groups.append(ParameterGroup(name=part, parameters=parameters, learning_rate=rate))
        else:
            for parameter in parameters:
                parameter.requires_grad_(False)
    if not groups:
        raise OptionError("all learning rates are 0, so nothing would be trained. Set learning_rate.")
    return groups


def trained_parts(settings: Settings) -> Sequence[Part]:
    if settings.network.network_train_unet_only:
        return ("unet",)
    if settings.network.network_train_text_encoder_only:
        return ("text_encoder",)
    return ("text_encoder", "unet")


def learning_rate_of(settings: Settings, part: Part) -> float:
    options = settings.optimizer
    own = (options.text_encoder_lr or (None,))[0] if part == "text_encoder" else options.unet_lr
    return options.learning_rate if own is None else own


def run_facts(job: Job, started_at: float, cache_folder: Path | None) -> RunFacts:
    """What every checkpoint's metadata will tell of this run."""
    arguments = optimizer_arguments(job.settings.optimizer)
    told = ",".join(f"{name}={value}" for name, value in arguments.items())
    optimizer = "torch.optim.adamw.AdamW" + (f"({told})" if told else "")
    return RunFacts(
        settings=job.settings,
        seed=job.seed,
        plan=job.plan,
        base=job.base,
        base_sha256=file_sha256(job.base.path, cache_folder),
        base_legacy_hash=legacy_file_hash(job.base.path),
        datasets=job.datasets,
        optimizer=optimizer,
        session_id=secrets.randbits(32),
        started_at=started_at,
    )
