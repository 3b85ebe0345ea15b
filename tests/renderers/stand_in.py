"""A renderer for tests: draws a coloured field for each picture, at once and without a model."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PIL import Image

from sd_contract.attempt import Attempt
from sd_contract.base_models.base_model import inspect
from sd_contract.tensors.tensor_files import verify_safetensors
from train_tools.model.preview import Picture
from train_tools.previews.renderer import Launch, RenderRequest
from train_tools.renderers.diffusers import DiffusersRenderer
from train_tools.renderers.session import OneByOne, main


class StandInRenderer:
    name = "stand-in"
    version = "1"

    def launch(self, request: RenderRequest, attempt: Attempt) -> Launch:
        launch = DiffusersRenderer().launch(request, attempt)
        python, *_, file = launch.command
        return replace(launch, command=(python, str(Path(__file__)), file))


class StandInPainter:
    """The colour tells the picture; noise makes the file a few kilobytes long."""

    def __init__(self, request: RenderRequest) -> None:
        inspect(request.base.path)

    def use(self, checkpoint: Path | None) -> None:
        if checkpoint is not None:
            verify_safetensors(checkpoint)

    def paint(self, picture: Picture, stopped: Callable[[], bool]) -> Image.Image | None:
        size = (picture.width_px, picture.height_px)
        noise = Image.effect_noise(size, 40).convert("RGB")
        colour = tuple(hashlib.sha256(picture.key.encode()).digest()[:3])
        return Image.blend(Image.new("RGB", size, colour), noise, 0.2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], lambda request: OneByOne(StandInPainter(request))))
