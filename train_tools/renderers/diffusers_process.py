"""Renders previews of SD1, SD2 and SDXL models: `python -m train_tools.renderers.diffusers_process request.json`.

The base model is loaded once; checkpoints are put on it one after another. Small pictures are painted several at a
time. On a CPU, where the size of a batch changes a picture's last bits and its other pictures do not, batches are
filled up: equal keys are equal pictures there. The noise is drawn on the CPU from the picture's seed, whatever the
device. torch is imported only when there is something to render and the base model's file is sound.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sd_contract.base_models.base_model import inspect_trainable
from sd_contract.errors import ContractError
from train_tools.errors import OptionValueError, TrainToolsError
from train_tools.model.preview import Picture
from train_tools.previews.renderer import RenderRequest, WantedPicture
from train_tools.renderers.session import Painted, PictureError, main

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image
    from torch import Tensor

    from lora_engine.families import TextStates
    from lora_engine.families.prompts import Inversion


BATCHES: Mapping[str, tuple[tuple[int, int], ...]] = {
    "cpu": ((96 * 96, 4),),
    "gpu": ((512 * 512, 4), (768 * 768, 2)),
}
"""How many pictures are painted at a time, by the pixels they have at most; larger ones alone. A CPU is busy
enough with one of more pixels; a GPU of little memory falls back to one."""


class DiffusersPainter:
    """A loaded model, and at most one LoRA on it. VAEs and embeddings are read when a picture first names them."""

    def __init__(self, model: Any, device: torch.device, request: RenderRequest) -> None:
        from lora_engine.networks.shown import ShownLora

        self._model = model
        self._device = device
        self._request = request
        self._shown = ShownLora(model)
        self._vaes: dict[str, Any] = {"": model.vae}
        self._inversions: dict[str, Inversion] = {}
        self._texts: dict[tuple[Any, ...], list[TextStates]] = {}
        self._name = ""
        self.one_by_one = False
        """Whether even small pictures are painted alone."""

    def use(self, checkpoint: Path | None) -> None:
        self._texts.clear()
        self._name = checkpoint.name if checkpoint else f"The base model {self._model.base.path.name}"
        self._shown.show(checkpoint)

    def batches(self, wanted: Sequence[WantedPicture]) -> Iterator[Sequence[WantedPicture]]:
        """Together are pictures of one size that are sampled alike. They have one weight, too, where the
        checkpoint changes the model's own weights, which so have to be worked out once for each."""
        alike: dict[tuple[Any, ...], list[WantedPicture]] = {}
        for one in wanted:
            alike.setdefault(self._kinship(one.picture), []).append(one)
        for group in alike.values():
            most = self._most(group[0].picture)
            yield from (group[start : start + most] for start in range(0, len(group), most))

    def _kinship(self, picture: Picture) -> tuple[Any, ...]:
        size = (picture.width_px, picture.height_px, picture.vae)
        sampling = (picture.sampler, picture.scheduler, picture.steps, picture.guidance)
        return (*size, *sampling, None if self._shown.stands_beside else picture.weight)

    def _most(self, picture: Picture) -> int:
        if self.one_by_one:
            return 1
        pixels = picture.width_px * picture.height_px
        sizes = BATCHES["cpu" if self._device.type == "cpu" else "gpu"]
        return next((most for largest, most in sizes if pixels <= largest), 1)

    def paint(self, pictures: Sequence[Picture], stopped: Callable[[], bool]) -> Painted:
        import torch

        try:
            with torch.inference_mode():
                return self._painted(pictures, stopped)
        except ContractError as error:
            if len(pictures) == 1:
                return [PictureError(str(error))]
        except torch.OutOfMemoryError as error:
            self.one_by_one = True
            if len(pictures) == 1:
                raise _no_memory_for(pictures[0]) from error
        return self._painted_alone(pictures, stopped)

    def _painted_alone(self, pictures: Sequence[Picture], stopped: Callable[[], bool]) -> Painted:
        painted: list[Image | PictureError] = []
        for picture in pictures:
            alone = self.paint([picture], stopped)
            if alone is None:
                return None
            painted += alone
        return painted

    def _painted(self, pictures: Sequence[Picture], stopped: Callable[[], bool]) -> Painted:
        from lora_engine.output.pictures import paint, together

        texts = [self._text_of(picture) for picture in pictures]
        if len({tuple(text.states.shape[1] for text in each) for each in texts}) > 1:
            return self._painted_alone(pictures, stopped)
        filled = self._filled(range(len(pictures)), pictures[0])
        first, vae = pictures[0], self._vae_of(pictures[0])
        sampler = f"{first.sampler}_{first.scheduler}" if first.scheduler else first.sampler
        self._shown.act([pictures[place].weight for place in filled])
        pixels = paint(
            self._model,
            vae,
            together([texts[place] for place in filled]),
            replace(first, sampler=sampler),
            [pictures[place].seed for place in filled],
            self._device,
            stopped,
        )
        return None if pixels is None else list(map(self._image_of, pictures, pixels[: len(pictures)]))

    def _filled(self, places: Sequence[int], picture: Picture) -> list[int]:
        """Which pictures a batch holds: on a CPU always as many, the last one several times."""
        missing = self._most(picture) - len(places) if self._device.type == "cpu" else 0
        return [*places, *[places[-1]] * missing]

    def _image_of(self, picture: Picture, pixels: Tensor) -> Image | PictureError:
        from lora_engine.output.pictures import as_image

        if bool(pixels.isfinite().all()):
            return as_image(pixels)
        return PictureError(
            f"{self._name} gives no picture at weight {picture.weight:g} (seed {picture.seed}): the numbers "
            "overflowed. A LoRA like that was trained with too high a learning rate; try its earlier "
            "checkpoints or a lower weight."
        )

    def _text_of(self, picture: Picture) -> list[TextStates]:
        """The prompts encoded. They are not encoded again while neither they nor the text encoder change."""
        from lora_engine.families.prompts import encode_prompts
        from lora_engine.output.pictures import prompts_of

        prompts = tuple(prompts_of(picture.prompt, picture.negative_prompt, picture.guidance))
        changed = picture.weight if self._shown.changes_in("text_encoder") else None
        key = (prompts, picture.clip_skip, picture.embeddings, changed)
        if key not in self._texts:
            self._shown.act([picture.weight])
            inversions = [self._inversion(signature) for signature in picture.embeddings]
            self._texts[key] = encode_prompts(self._model, prompts, picture.clip_skip, inversions)
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


def open_painter(request: RenderRequest) -> DiffusersPainter:
    """Loads the base model. BaseModelError when it can't be rendered with."""
    base = inspect_trainable(request.base.path)
    import torch

    from lora_engine.families import load

    device = chosen_device(request.device)
    torch.backends.cudnn.deterministic = True
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    return DiffusersPainter(load(base, device=device, dtype=dtype), device, request)


def _no_memory_for(picture: Picture) -> TrainToolsError:
    return TrainToolsError(
        f"The GPU has too little free memory for a picture of {picture.width_px}x{picture.height_px}. "
        "Close what else uses it, or choose smaller previews."
    )


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
