"""What one step of LoRA training on images does: noise, prediction, loss, gradients.

Shapes: B batch, C channels, H and W latent cells, T tokens, D text width."""

from __future__ import annotations

import torch
from torch import Tensor

from lora_engine.data.batches import Batch, Step
from lora_engine.families import Family
from lora_engine.job import Job
from lora_engine.maths.losses import element_losses, huber_c, sample_means, timestep_weights
from lora_engine.maths.noise import NoiseSchedule, NoiseSource
from lora_engine.maths.precision import Precision
from lora_engine.recipes.inputs import Encoded, Pictures, Text
from lora_engine.recipes.network import Tell
from lora_engine.recipes.network_learner import NetworkLearner


class Learner(NetworkLearner):
    """The LoRA and all that one step on images needs to improve it."""

    def __init__(self, job: Job, model: Family, encoded: Encoded, precision: Precision, tell: Tell) -> None:
        super().__init__(job, model, precision, tell)
        self.schedule = NoiseSchedule(precision.device, zero_terminal_snr=self.settings.noise.zero_terminal_snr)
        self.noise = NoiseSource(self.streams, self.settings.noise)
        self.pictures = Pictures(self.settings, encoded, self.streams)
        self.text = Text(job, model, self.streams, trained=self._trains("text_encoder"))
        if precision.device.type == "cuda" and self._settle_text():
            model.text_encoder.to("cpu")

    def step_loss(self, step: Step) -> Tensor:
        """Lets the gradients of a step's batches add up. Returns their mean loss, on the device."""
        return torch.stack([self._backward(batch) for batch in step.batches]).mean()

    def sample_losses(self, batch: Batch) -> Tensor:
        """The weighted loss of each sample: B."""
        samples = [sample.number for sample in batch.samples]
        pictures = self.pictures.of(batch)
        x0_BCHW = pictures.latents * self.model.scaling_factor
        noise_BCHW = self.noise.noise(samples, x0_BCHW)
        input_noise_BCHW = self.noise.input_noise(samples, noise_BCHW)
        send = self.precision.send
        x0_BCHW, noise_BCHW, input_noise_BCHW = map(send, (x0_BCHW, noise_BCHW, input_noise_BCHW))
        t_B = send(self.noise.timesteps(samples))
        noisy_BCHW = self.schedule.add(x0_BCHW, input_noise_BCHW, t_B)
        with self.precision.autocast():
            text = self.text.of(batch)
            noisy_input = noisy_BCHW.to(self.precision.dtype)
            prediction_BCHW = self.model.predict(noisy_input, t_B, text, pictures.sizes)
        is_v = self.job.base.v_prediction
        target_BCHW = self.schedule.velocity(x0_BCHW, noise_BCHW, t_B) if is_v else noise_BCHW
        losses_BCHW = self._element_losses(prediction_BCHW, target_BCHW, t_B)
        mask_B1HW = None if pictures.mask is None else send(pictures.mask)
        return sample_means(losses_BCHW, mask_B1HW) * self._weights(batch, t_B)

    def _element_losses(self, prediction_BCHW: Tensor, target_BCHW: Tensor, t_B: Tensor) -> Tensor:
        options = self.settings.loss
        c_B = huber_c(options, t_B, self.schedule.alpha_bar[t_B])
        return element_losses(prediction_BCHW, target_BCHW, options.loss_type, c_B)

    def _weights(self, batch: Batch, t_B: Tensor) -> Tensor:
        options = self.settings.loss
        shares = [options.prior_loss_weight if sample.item.subset.is_reg else 1.0 for sample in batch.samples]
        is_v = self.job.base.v_prediction
        return self.precision.send(torch.tensor(shares)) * timestep_weights(
            options, self.schedule.snr(t_B), v_prediction=is_v
        )

    def _backward(self, batch: Batch) -> Tensor:
        self._drop_out_at(batch.samples[0].number)
        self.network.multiplier = batch.dataset.network_multiplier
        loss = self.sample_losses(batch).mean()
        self.add_gradients(loss)
        self.network.multiplier = 1.0
        self._drop_out_at(None)
        return loss.detach()

    def _drop_out_at(self, position: int | None) -> None:
        """Kept until the gradients are there, since checkpointing computes the activations again for them."""
        if self.network.dropout is not None:
            self.network.dropout.position = position

    @torch.no_grad()
    def _settle_text(self) -> bool:
        with self.precision.autocast():
            return self.text.settle(self.job.datasets)
