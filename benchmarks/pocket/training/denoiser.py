"""The course of the text encoder and the U-Net, from nothing, on latents of a finished autoencoder."""

from dataclasses import dataclass, field

import numpy as np
import torch

from benchmarks.pocket.blueprint import END, SCALING_FACTOR, VOCABULARY, Networks, noise_schedule
from benchmarks.pocket.scenes import Mixture, draw_scene
from benchmarks.pocket.training.autoencoder import encoded
from benchmarks.pocket.training.course import Course, Draws, Outcome, draws, follow
from benchmarks.pocket.training.optimizer import MuonWithAdamW
from benchmarks.pocket.words import token_ids

UNKNOWN_WORD = 0.3  # every entry of an untaught row of the word table is this or its negative
MIN_SNR_GAMMA = 5.0  # Hang et al. 2023, "Efficient Diffusion Training via Min-SNR Weighting Strategy"


@dataclass(frozen=True, kw_only=True)
class PictureSize:
    """A size in pixels and the share of steps that see it."""

    height: int
    width: int
    share: float


ONE_SIZE = (PictureSize(height=64, width=64, share=1.0),)
MIXED_SIZES = (
    PictureSize(height=64, width=64, share=0.72),
    PictureSize(height=64, width=96, share=0.08),
    PictureSize(height=96, width=64, share=0.08),
    PictureSize(height=96, width=96, share=0.12),
)


@dataclass(frozen=True, kw_only=True)
class DenoiserLessons:
    """Steps and scenes for text encoder and U-Net; the defaults are the shipped model's."""

    steps: int = 2200
    batch: int = 64  # at 64x64; larger pictures come in smaller batches
    scenes: int = 6144
    other_rate: float = 2e-3
    no_caption: float = 0.10  # share of pictures taught without their caption, for guidance
    stray_words: float = 0.06  # share of captions with meaningless words in front, which must not matter
    mixture: Mixture = field(default_factory=Mixture)
    sizes: tuple[PictureSize, ...] = ONE_SIZE


@dataclass(frozen=True, kw_only=True)
class _Scenes:
    """Scenes of one size, encoded: latents of deviation 1 and the token ids of their captions."""

    latents: torch.Tensor
    ids: torch.Tensor


def teach_denoiser(networks: Networks, words, lessons: DenoiserLessons, course: Course) -> Outcome:
    """Train `networks.unet` and `networks.text_encoder` in place."""
    lesson = _Lesson(networks, words, lessons, course.seed)
    start_from_nothing(networks, lesson.taught_words, seed=course.seed)
    both = torch.nn.ModuleDict({"unet": networks.unet, "text_encoder": networks.text_encoder})
    networks.unet.to(memory_format=torch.channels_last)
    return follow(
        course,
        both,
        MuonWithAdamW(both, other_rate=lessons.other_rate),
        loss=lesson.loss,
        pace=lambda done: min(1.0, max(0.02, (1 - done) / 0.4)),
        longest_average=lambda done: 0.98 if done < 0.2 else 0.995,
    )


@torch.no_grad()
def start_from_nothing(networks: Networks, taught_words: torch.Tensor, *, seed: int) -> None:
    """Silence the U-Net's residual branches and let only the rows of `taught_words` (ids) learn.

    The other rows stay as random signs: all different, yet the file packs well.
    """
    table = networks.text_encoder.get_input_embeddings().weight
    signs = torch.randint(0, 2, table.shape, generator=draws(seed, "word table", 0).torch) * 2 - 1
    table.copy_(signs * UNKNOWN_WORD)
    taught = torch.zeros(VOCABULARY, 1)
    taught[taught_words] = 1
    table.register_hook(lambda gradient: gradient * taught)
    for module in networks.unet.modules():
        if type(module).__name__ in SILENT_AT_FIRST:
            _silence(getattr(module, SILENT_AT_FIRST[type(module).__name__]))
    _silence(networks.unet.conv_out)


SILENT_AT_FIRST = {"ResnetBlock2D": "conv2", "Transformer2DModel": "proj_out"}


class _Lesson:
    """What one step learns from."""

    def __init__(self, networks, words, lessons, seed):
        self._networks = networks
        self._lessons = lessons
        self._scenes = [_drawn(networks.autoencoder, words, lessons, size, seed) for size in lessons.sizes]
        self._no_words = token_ids(words, [""])[0]
        self._signal = noise_schedule(networks.blueprint).alphas_cumprod
        self.taught_words = torch.unique(torch.cat([scenes.ids.flatten() for scenes in self._scenes]))
        untaught = np.setdiff1d(np.arange(VOCABULARY), self.taught_words.numpy())
        self._stray = torch.from_numpy(untaught)

    def loss(self, chance: Draws) -> torch.Tensor:
        """Min-SNR weighted error of the predicted noise, over timesteps spread evenly through the batch."""
        latents, ids = self._some_scenes(chance)
        number = len(latents)
        noise = torch.randn(latents.shape, generator=chance.torch)
        timesteps = self._timesteps(number, chance)
        signal = self._signal[timesteps][:, None, None, None]
        meanings = self._networks.text_encoder(ids).last_hidden_state
        noisy = signal.sqrt() * latents + (1 - signal).sqrt() * noise
        predicted = self._networks.unet(noisy, timesteps, meanings).sample
        snr = (signal / (1 - signal)).flatten()
        return ((predicted - noise).square().mean((1, 2, 3)) * snr.clamp(max=MIN_SNR_GAMMA) / snr).mean()

    def _some_scenes(self, chance):
        sizes = self._lessons.sizes
        chosen = chance.numpy.choice(len(sizes), p=[size.share for size in sizes])
        scenes = self._scenes[chosen]
        number = self._lessons.batch * 64 * 64 // (sizes[chosen].height * sizes[chosen].width)
        picked = torch.from_numpy(chance.numpy.integers(len(scenes.latents), size=max(1, number)))
        ids = torch.stack([self._sometimes_spoilt(caption, chance.numpy) for caption in scenes.ids[picked]])
        return scenes.latents[picked], ids

    def _sometimes_spoilt(self, ids, rng):
        fate = rng.random()
        if fate < self._lessons.no_caption:
            return self._no_words
        if fate < self._lessons.no_caption + self._lessons.stray_words:
            return self._with_stray_words(ids, rng)
        return ids

    def _with_stray_words(self, ids, rng):
        stray = self._stray[torch.from_numpy(rng.integers(len(self._stray), size=rng.integers(1, 3)))]
        longer = torch.cat([ids[:1], stray, ids[1:]])[: len(ids)]
        longer[-1] = END
        return longer

    def _timesteps(self, number, chance):
        spread = (torch.arange(number) + torch.rand(1, generator=chance.torch)) / number * 1000
        return spread.long().clamp(max=999)[torch.randperm(number, generator=chance.torch)]


def _drawn(autoencoder, words, lessons, size, seed) -> _Scenes:
    rng = draws(seed, f"scenes {size.height}x{size.width}", 0).numpy
    number = max(lessons.batch, round(lessons.scenes * size.share))
    drawn = [draw_scene(rng, height=size.height, width=size.width, mixture=lessons.mixture) for _ in range(number)]
    latents = encoded(autoencoder, [scene.pixels for scene in drawn]) * SCALING_FACTOR
    return _Scenes(latents=latents, ids=token_ids(words, [scene.caption for scene in drawn]))


def _silence(layer):
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
