"""The noise that Stable Diffusion is trained to remove. Shapes: B batch, C channels, H and W latent cells.

Schedule: "scaled linear" betas 0.00085 to 0.012 over 1000 timesteps (Rombach et al., arXiv 2112.10752)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from lora_engine.maths.streams import Streams
from sd_contract.options import NoiseOptions

TIMESTEPS = 1000
FIRST_BETA, LAST_BETA = 0.00085, 0.012
# Nothing may be divided by the SNR of pure noise, which is 0.
SMALLEST_SNR = 1e-8


class NoiseSchedule:
    """How much of the image and of the noise there is at each timestep.

    With `zero_terminal_snr` the last one is pure noise (Lin et al., arXiv 2305.08891, algorithm 1)."""

    def __init__(self, device: torch.device, *, zero_terminal_snr: bool = False) -> None:
        roots = torch.linspace(FIRST_BETA**0.5, LAST_BETA**0.5, TIMESTEPS, dtype=torch.float32)
        alpha_bar = torch.cumprod(1.0 - roots**2, dim=0)
        if zero_terminal_snr:
            signal = alpha_bar.sqrt()
            alpha_bar = ((signal - signal[-1]) * signal[0] / (signal[0] - signal[-1])).square()
        self.alpha_bar = alpha_bar.to(device)

    def add(self, x0_BCHW: Tensor, noise_BCHW: Tensor, t_B: Tensor) -> Tensor:
        """The noisy latents: sqrt(alpha_bar) * x0 + sqrt(1 - alpha_bar) * noise."""
        signal, spread = self._factors(t_B, x0_BCHW.dtype)
        return signal * x0_BCHW + spread * noise_BCHW

    def velocity(self, x0_BCHW: Tensor, noise_BCHW: Tensor, t_B: Tensor) -> Tensor:
        """What a v-prediction model predicts (Salimans & Ho, arXiv 2202.00512)."""
        signal, spread = self._factors(t_B, x0_BCHW.dtype)
        return signal * noise_BCHW - spread * x0_BCHW

    def snr(self, t_B: Tensor) -> Tensor:
        """Signal-to-noise ratio alpha_bar / (1 - alpha_bar), never quite 0."""
        alpha_bar = self.alpha_bar[t_B]
        return (alpha_bar / (1.0 - alpha_bar)).clamp(min=SMALLEST_SNR)

    def _factors(self, t_B: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        alpha_bar = self.alpha_bar[t_B].to(dtype)[:, None, None, None]
        return alpha_bar.sqrt(), (1.0 - alpha_bar).sqrt()


class NoiseSource:
    """All noise of a run, drawn on the CPU. A sample's depends on the run's streams, its number and its latents
    alone: not on its batch, not on other options."""

    def __init__(self, streams: Streams, options: NoiseOptions) -> None:
        self._streams = streams
        self._options = options

    def timesteps(self, samples: Sequence[int]) -> Tensor:
        """A timestep for each sample in the options' range, all equally likely, or logit-normal: sigmoid(scale n)
        with n normal, so that the middle comes more often (Esser et al., arXiv 2403.03206)."""
        first, end = self._options.timesteps
        if self._options.fixed_timesteps_in_batch:
            samples = [samples[0]] * len(samples)
        return torch.cat([self._timestep(number, first, max(end, first + 1)) for number in samples])

    def noise(self, samples: Sequence[int], x0_BCHW: Tensor) -> Tensor:
        """The noise that is to be predicted, with the modifications that the options ask for."""
        return torch.stack([self._noise(number, x0) for number, x0 in zip(samples, x0_BCHW, strict=True)])

    def input_noise(self, samples: Sequence[int], noise_BCHW: Tensor) -> Tensor:
        """The noise that is added to the latents: what is to be predicted and, with `ip_noise_gamma`, more that is
        not (Ning et al., arXiv 2301.11706)."""
        gamma = self._options.ip_noise_gamma
        if not gamma:
            return noise_BCHW
        drawn = self._options.ip_noise_gamma_random_strength
        extra = [
            self._strength("input noise", gamma, number, drawn) * self._normal("input noise", number, one.shape)
            for number, one in zip(samples, noise_BCHW, strict=True)
        ]
        return noise_BCHW + torch.stack(extra)

    def _noise(self, number: int, x0_CHW: Tensor) -> Tensor:
        noise_CHW = self._normal("noise", number, x0_CHW.shape)
        if self._options.noise_offset:
            noise_CHW = noise_CHW + self._offset(number, x0_CHW)
        if self._options.multires_noise_iterations:
            noise_CHW = self._with_coarser_noise(number, noise_CHW)
        return noise_CHW

    def _offset(self, number: int, x0_CHW: Tensor) -> Tensor:
        """One shift a channel: C x 1 x 1."""
        offset = self._options.noise_offset or 0.0
        strength = self._strength("noise offset", offset, number, self._options.noise_offset_random_strength)
        shift_C11 = self._normal("noise offset", number, (x0_CHW.shape[0], 1, 1))
        scale = self._options.adaptive_noise_scale
        if not scale:
            return strength * shift_C11
        brightness_C11 = x0_CHW.mean(dim=(1, 2), keepdim=True).abs()
        return (strength + scale * brightness_C11).clamp(min=0.0) * shift_C11

    def _with_coarser_noise(self, number: int, noise_CHW: Tensor) -> Tensor:
        """Multi-resolution noise as in sd-scripts: each layer 2 to 4 times as coarse as the one before."""
        streams, discount = self._streams, self._options.multires_noise_discount
        generator = streams.generator("multires noise", number)
        chance = streams.random("multires noise size", number)
        channels, height, width = noise_CHW.shape
        for layer in range(self._options.multires_noise_iterations or 0):
            ratio = chance.uniform(2.0, 4.0) ** layer
            size = (max(1, int(height / ratio)), max(1, int(width / ratio)))
            coarse = torch.randn(1, channels, *size, generator=generator)
            spread = F.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)[0]
            noise_CHW = noise_CHW + discount**layer * spread
            if 1 in size:
                break
        return noise_CHW / noise_CHW.std()

    def _normal(self, stream: str, number: int, shape: Sequence[int]) -> Tensor:
        return torch.randn(*shape, generator=self._streams.generator(stream, number))

    def _strength(self, stream: str, most: float, number: int, drawn: bool) -> float:
        return most * self._streams.random(f"{stream} strength", number).random() if drawn else most

    def _timestep(self, number: int, first: int, end: int) -> Tensor:
        generator = self._streams.generator("timesteps", number)
        if self._options.timestep_sampling == "uniform":
            return torch.randint(first, end, (1,), generator=generator)
        share = torch.sigmoid(self._options.sigmoid_scale * torch.randn(1, generator=generator))
        return (first + share * (end - first)).long().clamp(max=end - 1)
