"""The loss of a batch: how far what the model sees in noisy latents is from what it is to see there.

Shapes: B batch, C channels, H and W latent cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor

from lora_engine.data.batches import Batch
from lora_engine.families import Family, ImageSize, TextStates
from lora_engine.job import Job
from lora_engine.maths.losses import element_losses, huber_c, sample_means, timestep_weights
from lora_engine.maths.noise import NoiseSchedule
from lora_engine.maths.precision import Precision
from lora_engine.recipes.inputs import Draws
from lora_engine.recipes.network import Network

Distance = Callable[[Tensor, Tensor], Tensor]


class Denoising:
    """The model with its LoRA, asked to see the noise, or the velocity, in noisy latents."""

    def __init__(self, job: Job, model: Family, network: Network, precision: Precision) -> None:
        self._options = job.settings.loss
        self._is_v = job.base.v_prediction
        self._model = model
        self._network = network
        self._precision = precision
        self._schedule = NoiseSchedule(precision.device, zero_terminal_snr=job.settings.noise.zero_terminal_snr)

    def losses(self, batch: Batch, draws: Draws) -> Tensor:
        """The weighted loss of each sample, with what is to be kept of the base model: B."""
        return self._losses(batch, draws, keeping=True)

    def plain_losses(self, batch: Batch, draws: Draws, t_B: Tensor) -> Tensor:
        """The weighted loss of each sample at given timesteps, of what is learnt alone: B."""
        return self._losses(batch, draws, t_B)

    def _losses(self, batch: Batch, draws: Draws, t_B: Tensor | None = None, *, keeping: bool = False) -> Tensor:
        samples = [sample.number for sample in batch.samples]
        pictures = draws.pictures.of(batch)
        x0_BCHW = pictures.latents * self._model.scaling_factor
        noise_BCHW = draws.noise.noise(samples, x0_BCHW)
        input_noise_BCHW = draws.noise.input_noise(samples, noise_BCHW)
        send = self._precision.send
        x0_BCHW, noise_BCHW, input_noise_BCHW = map(send, (x0_BCHW, noise_BCHW, input_noise_BCHW))
        t_B = send(draws.noise.timesteps(samples) if t_B is None else t_B)
        noisy_BCHW = self._schedule.add(x0_BCHW, input_noise_BCHW, t_B).to(self._precision.dtype)
        seen = partial(self._seen, noisy_BCHW, t_B, pictures.sizes)
        target_BCHW = self._schedule.velocity(x0_BCHW, noise_BCHW, t_B) if self._is_v else noise_BCHW
        mask_B1HW = None if pictures.mask is None else send(pictures.mask)
        distance = partial(self._distance, t_B=t_B)
        prediction_BCHW = seen(lambda: draws.text.of(batch))
        if keeping and self._looks_at_base(batch, mask_B1HW):
            with self._base_model():
                base_BCHW = seen(lambda: draws.text.of(batch)).to(target_BCHW.dtype)
            means_B = sample_means(
                self._beside_base(batch, prediction_BCHW, target_BCHW, base_BCHW, mask_B1HW, distance)
            )
        else:
            means_B = sample_means(distance(prediction_BCHW, target_BCHW), mask_B1HW)
        weight = self._options.prior_preservation_weight
        if keeping and weight:
            means_B = means_B + weight * self._class_losses(batch, draws, seen, distance)
        return means_B * self._weights(batch, t_B)

    def _seen(
        self, noisy_BCHW: Tensor, t_B: Tensor, sizes: Sequence[ImageSize], text: Callable[[], TextStates]
    ) -> Tensor:
        with self._precision.autocast():
            return self._model.predict(noisy_BCHW, t_B, text(), sizes)

    @contextmanager
    def _base_model(self) -> Iterator[None]:
        """The model as it is without the LoRA, for predictions that nothing is learnt through."""
        multiplier, self._network.multiplier = self._network.multiplier, 0.0
        try:
            with torch.no_grad():
                yield
        finally:
            self._network.multiplier = multiplier

    def _class_losses(
        self, batch: Batch, draws: Draws, seen: Callable[[Callable[[], TextStates]], Tensor], distance: Distance
    ) -> Tensor:
        """How far what is seen of the class in the same latents is from what the base model sees there: B. Prior
        preservation (Ruiz et al., arXiv 2208.12242) without images of its own."""
        with self._base_model():
            base_BCHW = seen(lambda: draws.text.of_classes(batch))
        return sample_means(distance(seen(lambda: draws.text.of_classes(batch)), base_BCHW))

    def _looks_at_base(self, batch: Batch, mask_B1HW: Tensor | None) -> bool:
        """Whether some of what the base model sees is to stay as it is."""
        outside = bool(self._options.masked_prior_weight) and mask_B1HW is not None
        return outside or any(sample.item.subset.diff_output_preservation for sample in batch.samples)

    def _beside_base(
        self,
        batch: Batch,
        prediction_BCHW: Tensor,
        target_BCHW: Tensor,
        base_BCHW: Tensor,
        mask_B1HW: Tensor | None,
        distance: Distance,
    ) -> Tensor:
        """The losses where samples of some subsets, and with `masked_prior_weight` what lies outside of masks, are
        to stay what the base model sees: BCHW."""
        kept = torch.tensor([sample.item.subset.diff_output_preservation for sample in batch.samples])
        kept_B111 = kept.to(target_BCHW.device)[:, None, None, None]
        losses_BCHW = distance(prediction_BCHW, torch.where(kept_B111, base_BCHW, target_BCHW))
        if mask_B1HW is None:
            return losses_BCHW
        weight = self._options.masked_prior_weight or 0.0
        return losses_BCHW * mask_B1HW + weight * (1.0 - mask_B1HW) * distance(prediction_BCHW, base_BCHW)

    def _distance(self, prediction_BCHW: Tensor, target_BCHW: Tensor, *, t_B: Tensor) -> Tensor:
        c_B = huber_c(self._options, t_B, self._schedule.alpha_bar[t_B])
        return element_losses(prediction_BCHW, target_BCHW, self._options.loss_type, c_B)

    def _weights(self, batch: Batch, t_B: Tensor) -> Tensor:
        options = self._options
        shares = [options.prior_loss_weight if sample.item.subset.is_reg else 1.0 for sample in batch.samples]
        return self._precision.send(torch.tensor(shares)) * timestep_weights(
            options, self._schedule.snr(t_B), v_prediction=self._is_v
        )
