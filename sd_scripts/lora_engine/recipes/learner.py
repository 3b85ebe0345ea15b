"""What one step of LoRA training on images does: losses and gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from lora_engine.data.batches import Batch, Step
from lora_engine.families import Family
from lora_engine.job import Job
from lora_engine.maths.precision import Precision
from lora_engine.recipes.denoising import Denoising
from lora_engine.recipes.inputs import Draws, Encoded, validation_streams
from lora_engine.recipes.network import Tell
from lora_engine.recipes.network_learner import NetworkLearner


class Learner(NetworkLearner):
    """The LoRA and all that one step on images needs to improve it."""

    def __init__(self, job: Job, model: Family, encoded: Encoded, precision: Precision, tell: Tell) -> None:
        super().__init__(job, model, precision, tell)
        self.denoising = Denoising(job, model, self.network, precision)
        trains_text = self._trains("text_encoder")
        self.draws = Draws.of(job, model, encoded, self.streams, trains_text=trains_text)
        self.validation_draws = Draws.of(job, model, encoded, validation_streams(job), trains_text=trains_text)
        if precision.device.type == "cuda" and self._settle_text():
            model.text_encoder.to("cpu")

    def step_loss(self, step: Step) -> Tensor:
        """Lets the gradients of a step's batches add up. Returns their mean loss, on the device."""
        return torch.stack([self._backward(batch) for batch in step.batches]).mean()

    def _backward(self, batch: Batch) -> Tensor:
        self.network.multiplier = batch.dataset.network_multiplier
        with self.dropping_out(batch.samples[0].number):
            loss = self.denoising.losses(batch, self.draws).mean()
            self.add_gradients(loss)
        self.network.multiplier = 1.0
        return loss.detach()

    @torch.no_grad()
    def _settle_text(self) -> bool:
        classes = bool(self.settings.loss.prior_preservation_weight)
        with self.precision.autocast():
            settled = [
                self.draws.text.settle(self.job.datasets, classes=classes),
                self.validation_draws.text.settle(self.job.validation),
            ]
        return all(settled)
