"""What recipes and renderers know of a loaded model, whatever its family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from sd_contract.base_models.base_model import BaseModel


@dataclass(frozen=True, eq=False)
class TextStates:
    """What the text encoders say about captions: a state for each token, B x T x D, and for SDXL the caption as a
    whole, B x P."""

    states: Tensor
    pooled: Tensor | None = None

    def __len__(self) -> int:
        return len(self.states)

    def of(self, number: int) -> TextStates:
        """One caption's, as a batch of one."""
        one = slice(number, number + 1)
        return TextStates(self.states[one], None if self.pooled is None else self.pooled[one])

    @classmethod
    def joined(cls, batches: Sequence[TextStates]) -> TextStates:
        """Several batches as one."""
        pooled = [batch.pooled for batch in batches if batch.pooled is not None]
        return cls(torch.cat([batch.states for batch in batches]), torch.cat(pooled) if pooled else None)


@dataclass(frozen=True, kw_only=True)
class ImageSize:
    """What SDXL is told about an image, all in pixels: its size before it was scaled, where the crop begins in the
    scaled image, and the size of the crop."""

    original_width: int
    original_height: int
    crop_left: int = 0
    crop_top: int = 0
    width: int
    height: int

    @classmethod
    def uncropped(cls, width: int, height: int) -> ImageSize:
        """An image that has this size from the beginning."""
        return cls(original_width=width, original_height=height, width=width, height=height)

    def numbers(self) -> tuple[int, int, int, int, int, int]:
        """In the order in which the model was taught them."""
        return (
            self.original_height,
            self.original_width,
            self.crop_top,
            self.crop_left,
            self.height,
            self.width,
        )


class Family(Protocol):
    """The parts of a loaded model; frozen, in evaluation mode. `vae` stays in float32 and is None once taken.
    `text_encoder` is a CLIP text model, or the list of both that SDXL has."""

    base: BaseModel
    unet: Any
    vae: nn.Module | None
    text_encoder: Any
    tokenizer: Any

    def encode_text(
        self,
        captions: Sequence[str],
        clip_skip: int | None = None,
        *,
        max_token_length: int | None = None,
        weighted: bool = False,
    ) -> TextStates:
        """What the text encoders say. `clip_skip` counts layers from the end, 1 being the last.
        `max_token_length`, 75 (None), 150 or 225, is how many tokens of a caption are used. With `weighted`
        captions may stress words as in (word:1.2) or [word]."""
        ...

    def predict(
        self, latents_BCHW: Tensor, timesteps_B: Tensor, text: TextStates, sizes: Sequence[ImageSize] = ()
    ) -> Tensor:
        """What the U-Net says about noisy latents: the noise, or the velocity for v-prediction models. `sizes` are
        the images', for SDXL; without them images are taken for uncropped."""
        ...

    def save_memory(self) -> None:
        """Keeps fewer activations for the backward pass and computes them again there."""
        ...

    def take_vae(self) -> nn.Module:
        """The VAE, which the model then no longer holds on to."""
        ...

    @property
    def scaling_factor(self) -> float:
        """What VAE latents are multiplied with before the U-Net sees them."""
        ...
