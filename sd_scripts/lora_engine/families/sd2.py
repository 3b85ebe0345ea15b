"""Stable Diffusion 2: as the first, but for OpenCLIP's text encoder, of which the last layer is left out, and its
padding."""

from __future__ import annotations

from typing import ClassVar

from lora_engine.families.sd1 import StableDiffusion1

OPEN_CLIP_PAD = 0


class StableDiffusion2(StableDiffusion1):
    """A loaded model of the family. Its text encoder lacks the layer that the model never used, so that its last
    state is the one before the last in the file."""

    pad_id: ClassVar[int] = OPEN_CLIP_PAD
