"""The noise that Stable Diffusion is trained to remove. Shapes: B batch, C channels, H and W latent cells.

Schedule: "scaled linear" betas 0.00085 to 0.012 over 1000 timesteps (Rombach et al., arXiv 2112.10752)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lora_engine.maths.streams import Streams

TIMESTEPS = 1000
FIRST_BETA, LAST_BETA = 0.00085, 0.012


class NoiseSchedule:
    """How much of the image and of the noise there is at each timestep."""

    def __init__(self, device: torch.device) -> None:
        roots = torch.linspace(FIRST_BETA**0.5, LAST_BETA**0.5, TIMESTEPS, dtype=torch.float32)
        self.alpha_bar = torch.cumprod(1.0 - roots**2, dim=0).to(device)

    def add(self, x0_BCHW: Tensor, noise_BCHW: Tensor, t_B: Tensor) -> Tensor:
        """The noisy latents: sqrt(alpha_bar) * x0 + sqrt(1 - alpha_bar) * noise."""
        signal, spread = self._factors(t_B, x0_BCHW.dtype)
        return signal * x0_BCHW + spread * noise_BCHW

    def velocity(self, x0_BCHW: Tensor, noise_BCHW: Tensor, t_B: Tensor) -> Tensor:
        """What a v-prediction model predicts (Salimans & Ho, arXiv 2202.00512)."""
        signal, spread = self._factors(t_B, x0_BCHW.dtype)
        return signal * noise_BCHW - spread * x0_BCHW

    def snr(self, t_B: Tensor) -> Tensor:
        """Signal-to-noise ratio alpha_bar / (1 - alpha_bar)."""
        alpha_bar = self.alpha_bar[t_B]
        return alpha_bar / (1.0 - alpha_bar)

    def _factors(self, t_B: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        alpha_bar = self.alpha_bar[t_B].to(dtype)[:, None, None, None]
        return alpha_bar.sqrt(), (1.0 - alpha_bar).sqrt()


def draw_noise(
    streams: Streams, samples: Sequence[int], shape: Sequence[int], offset: float | None = None
) -> Tensor:
    """Noise of shape (samples, *shape), on the CPU; each sample's depends on its number alone. `offset` adds one
    draw per channel, scaled (noise offset, as in sd-scripts)."""
    noise_BCHW = torch.stack(
        [torch.randn(*shape, generator=streams.generator("noise", number)) for number in samples]
    )
    if not offset:
        return noise_BCHW
    shifts = [torch.randn(shape[0], 1, 1, generator=streams.generator("noise offset", n)) for n in samples]
    return noise_BCHW + offset * torch.stack(shifts)


def draw_timesteps(streams: Streams, samples: Sequence[int]) -> Tensor:
    """A timestep for each sample, all equally likely, on the CPU."""
    draws = [
        torch.randint(TIMESTEPS, (1,), generator=streams.generator("timesteps", number)) for number in samples
    ]
    return torch.cat(draws)
