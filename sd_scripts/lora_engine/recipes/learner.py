"""What one step of LoRA training does: noise, prediction, loss, gradients, and the move of the weights.

Shapes: B batch, C channels, H and W latent cells, T tokens, D text width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from lora_engine.data.batches import Batch, Step
from lora_engine.errors import TrainingError
from lora_engine.families import Family
from lora_engine.job import Job
from lora_engine.maths.losses import min_snr_weight, squared_error
from lora_engine.maths.noise import NoiseSchedule, draw_noise, draw_timesteps
from lora_engine.maths.optimizers import ParameterGroup, load_optimizer, make_optimizer, set_learning_rate
from lora_engine.maths.precision import Precision
from lora_engine.maths.schedules import learning_rate_factor
from lora_engine.maths.streams import Streams
from lora_engine.networks.lora import LoraNetwork
from lora_engine.recipes.inputs import Encoded, Pictures, Text
from sd_contract.errors import OptionError
from sd_contract.options import Settings, optimizer_arguments
from sd_contract.steps import warmup_steps
from sd_contract.tensor_names import Part


class Learner:
    """The LoRA and all that one step needs to improve it."""

    def __init__(self, job: Job, model: Family, encoded: Encoded, precision: Precision) -> None:
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
        self.pictures = Pictures(self.settings, encoded, self.streams)
        self.text = Text(job, model, self.streams, trained=self._trains("text_encoder"))

    def learn(self, step: Step) -> tuple[Tensor, float]:
        """Moves the LoRA once. Returns the step's mean loss, still on the device, and the learning rate
        used."""
        self._set_learning_rate(step)
        losses = [self._backward(batch) for batch in step.batches]
        self._move()
        return torch.stack(losses).mean(), self.optimizer.param_groups[-1]["lr"]

    def state(self) -> dict[str, Any]:
        """What `take_up` needs to go on from here."""
        return {
            "network": dict(self.network.weights()),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def take_up(self, state: Mapping[str, Any]) -> None:
        """Goes on from a state. KeyError or ValueError when it is not of this network and optimizer; nothing
        promised about the learner then."""
        weights, saved = self.network.weights(), state["network"]
        if {name: weight.shape for name, weight in weights.items()} != {n: t.shape for n, t in saved.items()}:
            raise ValueError(f"{len(saved)} weights in the state, {len(weights)} here, or of other shapes")
        with torch.no_grad():
            for name, weight in weights.items():
                weight.copy_(saved[name])
        load_optimizer(self.optimizer, state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])

    def refuse_broken_weights(self, step: Step) -> None:
        """TrainingError when the LoRA holds numbers that are none: they must not be saved."""
        finite = torch.stack([weight.isfinite().all() for weight in self.network.weights().values()])
        if not bool(finite.all()):
            raise TrainingError(f"the weights are no longer numbers after step {step.number}")

    def sample_losses(self, batch: Batch) -> Tensor:
        """The weighted loss of each sample: B."""
        samples = [sample.number for sample in batch.samples]
        pictures = self.pictures.of(batch)
        x0_BCHW = pictures.latents.to(self.precision.device) * self.model.scaling_factor
        offset = self.settings.loss.noise_offset
        noise_BCHW = draw_noise(self.streams, samples, x0_BCHW.shape[1:], offset).to(x0_BCHW.device)
        t_B = draw_timesteps(self.streams, samples).to(x0_BCHW.device)
        noisy_BCHW = self.schedule.add(x0_BCHW, noise_BCHW, t_B)
        with self.precision.autocast():
            text = self.text.of(batch)
            noisy_input = noisy_BCHW.to(self.precision.dtype)
            prediction_BCHW = self.model.predict(noisy_input, t_B, text, pictures.sizes)
        is_v = self.job.base.v_prediction
        target_BCHW = self.schedule.velocity(x0_BCHW, noise_BCHW, t_B) if is_v else noise_BCHW
        mask_B1HW = None if pictures.mask is None else pictures.mask.to(x0_BCHW.device)
        return squared_error(prediction_BCHW, target_BCHW, mask_B1HW) * self._weights(batch, t_B)

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
        self.network.multiplier = batch.dataset.network_multiplier
        loss = self.sample_losses(batch).mean()
        accumulated = loss / self.settings.training.gradient_accumulation_steps
        torch.autograd.backward(self.scaler.scale(accumulated))
        self.network.multiplier = 1.0
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


def effective_scheduler(settings: Settings) -> str:
    name = settings.optimizer.lr_scheduler
    return "constant_with_warmup" if name == "constant" and settings.optimizer.lr_warmup_steps else name


def attach_network(settings: Settings, model: Family, streams: Streams) -> LoraNetwork:
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
