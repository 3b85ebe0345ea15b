"""Renders previews of SD1, SD2 and SDXL models: `python -m train_tools.renderers.diffusers_process request.json`.

The base model is loaded once; LoRA files are put on it by the engine's own layers. Pictures are rendered one at a
time, because a batch would change a picture's last bits with its neighbours: equal keys are to be equal pictures.
The noise is drawn on the CPU from the picture's seed, whatever the device. torch is imported only when there is
something to render and the base model's file is sound.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sd_contract.base_models.base_model import inspect_trainable
from train_tools.errors import OptionValueError, TrainToolsError
from train_tools.model.preview import Picture
from train_tools.previews.renderer import RenderRequest
from train_tools.renderers.session import Painter, PictureError, main

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from lora_engine.families import Family
    from lora_engine.networks.lora import LoraNetwork


class DiffusersPainter:
    """A loaded model, and at most one LoRA on it."""

    def __init__(self, model: Family, device: torch.device) -> None:
        self._model = model
        self._device = device
        self._network: LoraNetwork | None = None
        self._name = f"The base model {model.base.path.name}"

    def use(self, checkpoint: Path | None) -> None:
        if checkpoint is None:
            self._name = f"The base model {self._model.base.path.name}"
            if self._network is not None:
                self._network.detach()
            return
        self._name = checkpoint.name
        if self._network is None:
            self._network = self._attached(checkpoint)
        else:
            self._network.load(checkpoint)

    def _attached(self, checkpoint: Path) -> LoraNetwork:
        from lora_engine.networks.lora import LoraNetwork

        return LoraNetwork.from_file(checkpoint, self._model.unet, self._model.text_encoder)

    def paint(self, picture: Picture, stopped: Callable[[], bool]) -> Image | None:
        import torch

        from lora_engine.output.pictures import as_image, paint, prompts_of

        if self._network is not None:
            self._network.multiplier = picture.weight
        try:
            with torch.inference_mode():
                text = self._model.encode_text(
                    prompts_of(picture.prompt, picture.negative_prompt, picture.guidance), picture.clip_skip
                )
                pixels = paint(self._model, self._model.vae, text, picture, picture.seed, self._device, stopped)
        except torch.OutOfMemoryError as error:
            raise TrainToolsError(
                f"The GPU has too little free memory for a picture of {picture.width_px}x{picture.height_px}. "
                "Close what else uses it, or choose smaller previews."
            ) from error
        if pixels is None:
            return None
        if not bool(torch.isfinite(pixels).all()):
            raise PictureError(
                f"{self._name} gives no picture at weight {picture.weight:g} (seed {picture.seed}): the numbers "
                "overflowed. A LoRA like that was trained with too high a learning rate; try its earlier "
                "checkpoints or a lower weight."
            )
        return as_image(pixels)


def open_painter(request: RenderRequest) -> Painter:
    """Loads the base model. BaseModelError when it can't be rendered with."""
    base = inspect_trainable(request.base.path)
    import torch

    from lora_engine.families import load

    device = chosen_device(request.device)
    torch.backends.cudnn.deterministic = True
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    return DiffusersPainter(load(base, device=device, dtype=dtype), device)


def chosen_device(name: str) -> torch.device:
    """ "auto" is the first GPU, else the CPU. OptionValueError for a device that is not there."""
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise OptionValueError(
            f"Device {name!r} can't be used here ({error}). Choose auto, cpu, or a GPU of this machine."
        ) from error
    return device


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], open_painter))
