"""Latents of all training images: encoded once, one image at a time, kept in memory and, if there is a cache
folder, on disk under a name made of everything that decides them.

What is kept is the VAE's distribution (mean and log variance); each run draws its own latents from it."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from lora_engine.data.framing import Framing, Tint, middle_of
from lora_engine.data.images import load_pixels
from lora_engine.errors import TrainingError
from lora_engine.maths.streams import Streams
from sd_contract.datasets import CollectedDataset, DatasetItem
from sd_contract.errors import CheckpointError
from sd_contract.tensors.tensor_files import file_sha256, verify_safetensors

ENCODER_VERSION = 2
LIMIT = 30.0, 20.0


@dataclass(frozen=True)
class ImageKey:
    """One image as it is encoded: the file, what is seen of it, how it is scaled."""

    path: Path
    framing: Framing
    interpolation: str | None = None

    @classmethod
    def of(cls, item: DatasetItem, framing: Framing) -> ImageKey:
        return cls(item.image, framing, item.subset.resize_interpolation)


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
    """Everything that can be encoded beforehand, each once, in the order of the datasets: with flip_aug both
    orientations of an image, but nothing of images that look different at each draw."""
    keys = (
        ImageKey.of(item, middle_of(item, mirrored=mirrored))
        for collected in datasets
        for item in collected.items
        if not item.subset.differs_at_each_draw
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
        """DatasetError when the image can't be read, TrainingError when the VAE fails on it."""
        if self._folder is None:
            return self.encode(key)
        path = self._path(key)
        kept = _read(path)
        if kept is None:
            kept = self.encode(key)
            _write(path, kept)
        return kept

    @torch.no_grad()
    def encode(self, key: ImageKey, tint: Tint | None = None) -> Moments:
        """What the VAE sees now; nothing is kept. Errors as above."""
        weight = next(self._vae.parameters())
        pixels = load_pixels(key.path, key.framing, key.interpolation, tint)
        found = self._vae.encode(pixels[None].to(weight.device, weight.dtype)).latent_dist.parameters[0]
        if not torch.isfinite(found).all():
            raise TrainingError(
                f"the VAE makes no numbers of image {key.path} in {weight.dtype}. Some VAEs overflow in fp16: use "
                'mixed_precision = "bf16" or "no", or another VAE.'
            )
        mean, logvar = found.float().cpu().chunk(2)
        return Moments(mean.contiguous(), logvar.contiguous())

    def _path(self, key: ImageKey) -> Path:
        assert self._folder is not None
        weight = next(self._vae.parameters())
        facts = (
            "latent",
            ENCODER_VERSION,
            file_sha256(key.path, None),
            key.framing,
            key.interpolation,
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
    """What lies in the cache; None when there is nothing or its content is not what was written."""
    try:
        content = path.read_bytes()
        header = verify_safetensors(path)
        if header.metadata.get("sha256") != hashlib.sha256(content[header.data_start :]).hexdigest():
            return None
        tensors = load(content)
        return Moments(tensors["mean"], tensors["logvar"])
    except (OSError, CheckpointError, SafetensorError, KeyError):
        return None


def _write(path: Path, moments: Moments) -> None:
    """Writes under a name that no other process uses, so that readers and other writers see whole files only."""
    tensors = {"mean": moments.mean, "logvar": moments.logvar}
    plain = save(tensors)
    data = plain[8 + int.from_bytes(plain[:8], "little") :]
    content = save(tensors, {"format": "2", "sha256": hashlib.sha256(data).hexdigest()})
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".tmp", delete=False) as file:
        file.write(content)
    Path(file.name).replace(path)
