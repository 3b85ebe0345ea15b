"""Latents of all training images: encoded once, one image at a time, kept in memory and, if there is a cache
folder, on disk under a name made of everything that decides them.

What is kept is the VAE's distribution (mean and log variance); each run draws its own latents from it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lora_engine.data.images import load_pixels
from lora_engine.maths.streams import Streams
from sd_contract.datasets import CollectedDataset
from sd_contract.errors import CheckpointError
from sd_contract.tensor_files import file_sha256, verify_safetensors

ENCODER_VERSION = 1
LIMIT = 30.0, 20.0


@dataclass(frozen=True)
class ImageKey:
    """One image as it is encoded: the file, its size (width, height) after scaling, mirrored or not."""

    path: Path
    resolution: tuple[int, int]
    mirrored: bool


@dataclass(frozen=True)
class Moments:
    """The distribution that the VAE sees in an image, C x H x W each."""

    mean: Tensor
    logvar: Tensor

    def draw(self, generator: torch.Generator) -> Tensor:
        """A latent from the distribution, unscaled, on the CPU."""
        spread = torch.exp(0.5 * self.logvar.clamp(-LIMIT[0], LIMIT[1]))
        return self.mean + spread * torch.randn(self.mean.shape, generator=generator)


def image_keys(datasets: Sequence[CollectedDataset]) -> list[ImageKey]:
    """Everything that has to be encoded, each once, in the order of the datasets."""
    keys = (
        ImageKey(item.image, collected.dataset.resolution, mirrored)
        for collected in datasets
        for item in collected.items
        for mirrored in ((False, True) if item.subset.flip_aug else (False,))
    )
    return list(dict.fromkeys(keys))


class LatentCache:
    """Moments by image, from the cache folder when they are there, else from the VAE."""

    def __init__(self, vae: Any, folder: Path | None) -> None:
        self._vae = vae
        self._folder = folder
        self._vae_sha256 = _weights_sha256(vae) if folder else ""

    def moments(self, key: ImageKey) -> Moments:
        """DatasetError when the image can't be read."""
        if self._folder is None:
            return self._encode(key)
        path = self._path(key)
        kept = _read(path)
        if kept is None:
            kept = self._encode(key)
            _write(path, kept)
        return kept

    @torch.no_grad()
    def _encode(self, key: ImageKey) -> Moments:
        weight = next(self._vae.parameters())
        pixels = load_pixels(key.path, key.resolution)
        pixels = pixels.flip(-1) if key.mirrored else pixels
        found = self._vae.encode(pixels[None].to(weight.device, weight.dtype)).latent_dist.parameters[0]
        mean, logvar = found.float().cpu().chunk(2)
        return Moments(mean.contiguous(), logvar.contiguous())

    def _path(self, key: ImageKey) -> Path:
        assert self._folder is not None
        weight = next(self._vae.parameters())
        facts = (
            "latent",
            ENCODER_VERSION,
            file_sha256(key.path, None),
            key.resolution,
            "cover, centre",
            "box, lanczos",
            key.mirrored,
            self._vae_sha256,
            str(weight.dtype),
            weight.device.type,
        )
        digest = hashlib.sha256(repr(facts).encode("utf-8")).hexdigest()
        return self._folder / digest[:2] / digest


def draw_latents(
    moments: Sequence[Moments], streams: Streams, positions: Sequence[tuple[int | str, ...]]
) -> Tensor:
    """A batch of latents, B x C x H x W, unscaled, on the CPU; each is drawn at its own place in the stream."""
    return torch.stack(
        [
            one.draw(streams.generator("latents", *position))
            for one, position in zip(moments, positions, strict=True)
        ]
    )


def _weights_sha256(module: Any) -> str:
    digest = hashlib.sha256()
    weights: Mapping[str, Tensor] = module.state_dict()
    for name, tensor in sorted(weights.items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _read(path: Path) -> Moments | None:
    """What lies in the cache; None when there is nothing or it is damaged."""
    from safetensors.torch import load_file

    try:
        verify_safetensors(path)
    except CheckpointError:
        return None
    tensors = load_file(path)
    return Moments(tensors["mean"], tensors["logvar"])


def _write(path: Path, moments: Moments) -> None:
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    save_file({"mean": moments.mean, "logvar": moments.logvar}, temporary, {"format": "1"})
    temporary.replace(path)
