"""Renders previews of SD1, SD2 and SDXL models: `python -m train_tools.renderers.diffusers_process request.json`.

The base model is loaded once; LoRA files are put on it by the engine's own layers. Pictures are rendered one at a
time, because a batch would change a picture's last bits with its neighbours: equal keys are to be equal pictures.
The noise is drawn on the CPU from the picture's seed, whatever the device. torch is imported only when there is
something to render and the base model's file is sound.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sd_contract.base_models.base_model import inspect_trainable
from sd_contract.errors import ContractError
from train_tools.errors import OptionValueError, TrainToolsError
from train_tools.model.preview import Picture
from train_tools.previews.renderer import RenderRequest
from train_tools.renderers.session import Painter, PictureError, main

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from lora_engine.families import TextStates
    from lora_engine.families.prompts import Inversion
    from lora_engine.networks.lora import LoraNetwork


class DiffusersPainter:
    """A loaded model, and at most one LoRA on it. VAEs and embeddings are read when a picture first names them."""

    def __init__(self, model: Any, device: torch.device, request: RenderRequest) -> None:
        self._model = model
        self._device = device
        self._request = request
        self._vaes: dict[str, Any] = {"": model.vae}
        self._inversions: dict[str, Inversion] = {}
        self._texts: dict[tuple[Any, ...], list[TextStates]] = {}
        self._network: LoraNetwork | None = None
        self._name = f"The base model {model.base.path.name}"

    def use(self, checkpoint: Path | None) -> None:
        self._texts.clear()
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

        from lora_engine.output.pictures import as_image, paint

        if self._network is not None:
            self._network.multiplier = picture.weight
        sampler = f"{picture.sampler}_{picture.scheduler}" if picture.scheduler else picture.sampler
        wanted = replace(picture, sampler=sampler)
        try:
            with torch.inference_mode():
                vae, text = self._vae_of(picture), self._text_of(picture)
                pixels = paint(self._model, vae, text, wanted, picture.seed, self._device, stopped)
        except ContractError as error:
            raise PictureError(str(error)) from error
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

    def _text_of(self, picture: Picture) -> list[TextStates]:
        """The prompts encoded. They are not encoded again while neither they nor the text encoder change."""
        from lora_engine.families.prompts import encode_prompts, together
        from lora_engine.output.pictures import prompts_of

        prompts = tuple(prompts_of(picture.prompt, picture.negative_prompt, picture.guidance))
        changed = (
            picture.weight if self._network is not None and self._network.modules_of("text_encoder") else None
        )
        key = (prompts, picture.clip_skip, picture.embeddings, changed)
        if key not in self._texts:
            inversions = [self._inversion(signature) for signature in picture.embeddings]
            texts = encode_prompts(self._model, prompts, picture.clip_skip, inversions)
            self._texts[key] = together(texts)
        return self._texts[key]

    def _inversion(self, signature: str) -> Inversion:
        from lora_engine.families.prompts import read_inversion

        if signature not in self._inversions:
            path = self._request.embeddings[signature]
            self._inversions[signature] = read_inversion(path, signature.rsplit(" ", 1)[0], self._model)
        return self._inversions[signature]

    def _vae_of(self, picture: Picture) -> Any:
        from lora_engine.families.parts import make_vae
        from lora_engine.families.weights import vae_file

        if picture.vae not in self._vaes:
            path = self._request.vaes[picture.vae]
            self._vaes[picture.vae] = make_vae(self._model.base, vae_file(path, self._model.base), self._device)
        return self._vaes[picture.vae]


def open_painter(request: RenderRequest) -> Painter:
    """Loads the base model. BaseModelError when it can't be rendered with."""
    base = inspect_trainable(request.base.path)
    import torch

    from lora_engine.families import load

    device = chosen_device(request.device)
    torch.backends.cudnn.deterministic = True
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    return DiffusersPainter(load(base, device=device, dtype=dtype), device, request)


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
