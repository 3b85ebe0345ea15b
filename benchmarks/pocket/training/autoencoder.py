"""The autoencoder's two courses: encoder and decoder together, then the decoder alone.

It starts as a linear colour pyramid (`start_as_pyramid`), so that colours are right from the first step; its
attention is held at nothing, so that any picture size works.
"""

from dataclasses import dataclass
from math import cos, log, pi

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch.nn.functional import mse_loss

from benchmarks.pocket.blueprint import SCALING_FACTOR
from benchmarks.pocket.scenes import draw_anything, draw_scene
from benchmarks.pocket.training.course import Course, Draws, Outcome, draws, follow
from benchmarks.pocket.training.optimizer import MuonWithAdamW

CARRIERS = 6  # channels 0-2 carry red, green, blue; 3-5 the same negated: silu(x) - silu(-x) = x
LATENT_NOISE = 0.1  # the decoder sees noisy latents, for the U-Net's will never be exact
POSTERIOR_STD = 0.03  # of the encoder's distribution, in scaled latents


@dataclass(frozen=True, kw_only=True)
class AutoencoderLessons:
    """Steps and pictures for the autoencoder."""

    steps: int = 400
    decoder_steps: int = 900
    batch: int = 16
    other_rate: float = 3e-3


def teach_autoencoder(
    autoencoder: AutoencoderKL, lessons: AutoencoderLessons, course: Course, decoder_course: Course
) -> dict[str, Outcome]:
    """Train in place; afterwards latents times 0.18215 have mean 0 and deviation 1 over drawn scenes."""
    start_as_pyramid(autoencoder)
    together = _learn(autoencoder, lessons, course)
    for part in (autoencoder.encoder, autoencoder.quant_conv):
        part.requires_grad_(False)
    decoder = _learn(autoencoder, lessons, decoder_course)
    autoencoder.requires_grad_(False)
    normalise_latents(autoencoder, seed=course.seed)
    return {"autoencoder": together, "decoder": decoder}


@torch.no_grad()
def reconstruction_db(autoencoder: AutoencoderKL, *, seed: int = 77, pictures: int = 36) -> float:
    """Mean peak signal-to-noise ratio of drawn scenes after encoding and decoding, in decibels."""
    rng = np.random.default_rng(seed)
    originals = as_tensor([draw_scene(rng).pixels for _ in range(pictures)])
    decoded = autoencoder.decode(autoencoder.encode(originals).latent_dist.mean).sample.clamp(-1, 1)
    return float((10 * torch.log10(4 / ((decoded - originals) ** 2).mean((1, 2, 3)))).mean())


@torch.no_grad()
def start_as_pyramid(autoencoder: AutoencoderKL) -> None:
    """Make every block hand the colour carriers on: means going down, copies going up."""
    for module in autoencoder.modules():
        starter = STARTERS.get(type(module).__name__)
        if starter is not None:
            starter(module)
    for coder in (autoencoder.encoder, autoencoder.decoder):
        _silence_attention(coder.mid_block.attentions[0])
        _begin_with_carriers(coder.conv_in)
        _end_with_colours(coder.conv_out)
    autoencoder.encoder.conv_out.weight[3] *= 10  # the fourth latent carries no colour and starts free
    for scaling in (autoencoder.quant_conv, autoencoder.post_quant_conv):
        torch.nn.init.zeros_(scaling.bias)
        scaling.weight.copy_(torch.eye(len(scaling.weight))[:, :, None, None])


@torch.no_grad()
def normalise_latents(autoencoder: AutoencoderKL, *, seed: int, pictures: int = 512) -> None:
    """Fold the latents' mean and deviation over drawn scenes into the convolutions on both sides of them."""
    rng = draws(seed, "latent statistics", 0).numpy
    latents = encoded(autoencoder, [draw_scene(rng).pixels for _ in range(pictures)])
    mean, scale = latents.mean((0, 2, 3)), latents.std((0, 2, 3)) * SCALING_FACTOR
    into, out_of = autoencoder.quant_conv, autoencoder.post_quant_conv
    into.weight[:4] /= scale[:, None, None, None]
    into.bias[:4] = (into.bias[:4] - mean) / scale
    into.weight[4:] = 0
    into.bias[4:] = 2 * log(POSTERIOR_STD / SCALING_FACTOR)
    out_of.bias += out_of.weight[:, :, 0, 0] @ mean
    out_of.weight *= scale[None, :, None, None]


@torch.no_grad()
def encoded(autoencoder: AutoencoderKL, pictures: list[np.ndarray], batch: int = 64) -> torch.Tensor:
    """Mean latents of pictures, not scaled."""
    parts = [
        autoencoder.encode(as_tensor(pictures[start : start + batch])).latent_dist.mean
        for start in range(0, len(pictures), batch)
    ]
    return torch.cat(parts)


def as_tensor(pictures: list[np.ndarray]) -> torch.Tensor:
    """Pictures x 3 x height x width, from -1 to 1."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def _learn(autoencoder, lessons, course) -> Outcome:
    def loss(chance):
        return _reconstruction_loss(autoencoder, _pictures(chance, lessons.batch), chance)

    return follow(
        course,
        autoencoder,
        MuonWithAdamW(autoencoder, other_rate=lessons.other_rate),
        loss=loss,
        pace=lambda done: 0.03 + 0.97 * (1 + cos(pi * done)) / 2,
        longest_average=lambda done: 0.99,
    )


def _pictures(chance, number):
    """Scenes and free pictures by turns."""
    rng = chance.numpy
    return as_tensor([draw_anything(rng) if i % 2 else draw_scene(rng).pixels for i in range(number)])


def _reconstruction_loss(autoencoder, pictures, chance: Draws):
    latents = autoencoder.encode(pictures).latent_dist.mean
    noise = torch.randn(latents.shape, generator=chance.torch)
    if not autoencoder.quant_conv.weight.requires_grad:  # a finished encoder's latents have a size of their own
        noise = noise * latents.std()
    decoded = autoencoder.decode(latents + LATENT_NOISE * noise).sample
    colours = (decoded - pictures).abs().mean() + 0.5 * mse_loss(decoded, pictures)
    edges = _slopes_apart(decoded, pictures, -1) + _slopes_apart(decoded, pictures, -2)
    return colours + 0.5 * edges + 1e-3 * latents.pow(2).mean()


def _slopes_apart(one, other, axis):
    return (torch.diff(one, dim=axis) - torch.diff(other, dim=axis)).abs().mean()


def _silence_attention(attention):
    torch.nn.init.zeros_(attention.to_out[0].weight)
    torch.nn.init.zeros_(attention.to_out[0].bias)
    attention.requires_grad_(False)


def _begin_with_carriers(convolution):
    convolution.weight[:CARRIERS] = 0
    convolution.bias[:CARRIERS] = 0
    convolution.bias[CARRIERS:] = 0.5
    for colour in range(3):
        convolution.weight[colour, colour, 1, 1] = 1
        convolution.weight[colour + 3, colour, 1, 1] = -1


def _end_with_colours(convolution):
    convolution.weight *= 0.1
    convolution.weight[:3] = 0
    torch.nn.init.zeros_(convolution.bias)
    for colour in range(3):
        convolution.weight[colour, colour, 1, 1] = 1
        convolution.weight[colour, colour + 3, 1, 1] = -1


def _start_resnet(block):
    block.conv2.weight *= 0.05
    torch.nn.init.zeros_(block.conv2.bias)
    if block.conv_shortcut is not None:
        _copy_channels(block.conv_shortcut)


def _copy_channels(shortcut):
    """Each output copies the input of its number; further outputs copy the inputs behind the carriers again."""
    shortcut.weight *= 0.1
    shortcut.weight[:CARRIERS] = 0
    shortcut.weight[:, :CARRIERS] = 0
    torch.nn.init.zeros_(shortcut.bias)
    outputs, inputs = shortcut.weight.shape[:2]
    for output in range(outputs):
        source = output if output < inputs else CARRIERS + output % max(1, inputs - CARRIERS)
        shortcut.weight[output, source] = 1


def _start_downsampler(block):
    _keep_channels(block.conv, slice(None), 1 / 9)


def _start_upsampler(block):
    _keep_channels(block.conv, slice(1, 2), 1)


def _keep_channels(convolution, kernel, value):
    convolution.weight *= 0.1
    convolution.weight[:CARRIERS] = 0
    torch.nn.init.zeros_(convolution.bias)
    for channel in range(len(convolution.weight)):
        convolution.weight[channel, channel, kernel, kernel] += value


STARTERS = {
    "ResnetBlock2D": _start_resnet,
    "Downsample2D": _start_downsampler,
    "Upsample2D": _start_upsampler,
}
