"""Pictures out of the networks: DDIM with classifier-free guidance."""

from collections.abc import Sequence

import numpy as np
import torch

from benchmarks.pocket.blueprint import SCALING_FACTOR, Networks, noise_schedule
from benchmarks.pocket.words import token_ids

BATCH = 32


@torch.no_grad()
def draw(
    networks: Networks,
    words,
    prompts: Sequence[str],
    *,
    seed: int = 0,
    steps: int = 15,
    guidance: float = 5.0,
    height: int = 64,
    width: int = 64,
) -> list[np.ndarray]:
    """One uint8 picture (height x width x 3) for each prompt; both sizes are multiples of 64."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(len(prompts), 4, height // 8, width // 8, generator=generator)
    nothing = networks.text_encoder(token_ids(words, [""])).last_hidden_state
    pictures: list[np.ndarray] = []
    for start in range(0, len(prompts), BATCH):
        asked = networks.text_encoder(token_ids(words, prompts[start : start + BATCH])).last_hidden_state
        latents = _denoised(networks, noise[start : start + BATCH], asked, nothing, steps, guidance)
        pictures.extend(_pictures(networks, latents))
    return pictures


def _denoised(networks, latents, asked, nothing, steps, guidance):
    schedule = noise_schedule(networks.blueprint)
    schedule.set_timesteps(steps)
    meanings = torch.cat([nothing.expand(len(asked), -1, -1), asked])
    for timestep in schedule.timesteps:
        without, with_prompt = networks.unet(torch.cat([latents, latents]), timestep, meanings).sample.chunk(2)
        predicted = without + guidance * (with_prompt - without)
        latents = schedule.step(predicted, timestep, latents).prev_sample
    return latents


def _pictures(networks, latents):
    decoded = networks.autoencoder.decode(latents / SCALING_FACTOR).sample
    scaled = ((decoded.clamp(-1, 1) + 1) * 127.5).round().byte()
    return list(scaled.permute(0, 2, 3, 1).numpy())
