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
from typing import TYPE_CHECKING, Any

from sd_contract.base_model import BaseModel, inspect_trainable
from train_tools.errors import OptionValueError, TrainToolsError
from train_tools.model.preview import Picture
from train_tools.previews.renderer import RenderRequest
from train_tools.renderers.session import Painter, PictureError, main

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image
    from torch import Tensor

    from lora_engine.families import Family, TextStates
    from lora_engine.networks.lora import LoraNetwork

NOISE_SCHEDULE: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


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

        if self._network is not None:
            self._network.multiplier = picture.weight
        try:
            with torch.inference_mode():
                latents = self._denoised(picture, stopped)
                pixels = None if latents is None else self._decoded(latents)
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
        return _as_image(pixels)

    def _denoised(self, picture: Picture, stopped: Callable[[], bool]) -> Tensor | None:
        """The latents after the last step, 1 x 4 x H x W in float32; None when stopped meanwhile."""
        import torch

        generator = torch.Generator("cpu").manual_seed(picture.seed)
        scheduler = new_scheduler(picture.sampler, self._model.base)
        scheduler.set_timesteps(picture.steps, device=self._device)
        latents: Tensor = self._first_noise(picture, generator) * scheduler.init_noise_sigma
        text = self._text(picture)
        for timestep in scheduler.timesteps:
            if stopped():
                return None
            prediction = self._guided(scheduler.scale_model_input(latents, timestep), timestep, text, picture)
            latents = scheduler.step(prediction, timestep, latents, generator=generator, return_dict=False)[0]
        return latents

    def _first_noise(self, picture: Picture, generator: torch.Generator) -> Tensor:
        import torch

        factor = self._model.base.latent_factor
        shape = (1, self._model.base.unet["in_channels"], picture.height_px // factor, picture.width_px // factor)
        return torch.randn(shape, generator=generator).to(self._device)

    def _text(self, picture: Picture) -> TextStates:
        """The negative prompt's states and the prompt's; without guidance the prompt's alone."""
        prompts = [picture.prompt] if picture.guidance == 1 else [picture.negative_prompt, picture.prompt]
        return self._model.encode_text(prompts, picture.clip_skip)

    def _guided(self, latents: Tensor, timestep: Tensor, text: TextStates, picture: Picture) -> Tensor:
        """The prediction with classifier-free guidance (Ho & Salimans, arXiv 2207.12598), in float32."""
        both = latents.expand(len(text), -1, -1, -1).to(text.states.dtype)
        predictions = self._model.predict(both, timestep.expand(len(text)), text).float()
        if len(text) == 1:
            return predictions
        without, with_prompt = predictions.chunk(2)
        return without + picture.guidance * (with_prompt - without)

    def _decoded(self, latents: Tensor) -> Tensor:
        """Pixels 3 x H x W from -1 to 1."""
        vae: Any = self._model.vae
        pixels: Tensor = vae.decode(latents / self._model.scaling_factor, return_dict=False)[0]
        return pixels[0]


def new_scheduler(sampler: str, base: BaseModel) -> Any:
    """The diffusers scheduler for a sampler, on Stable Diffusion's noise schedule. OptionValueError for an
    unknown one."""
    settings = {**NOISE_SCHEDULE, "prediction_type": base.prediction_type}
    if base.zero_terminal_snr:
        settings |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    if sampler == "ddim":
        from diffusers.schedulers.scheduling_ddim import DDIMScheduler

        return DDIMScheduler(**settings, clip_sample=False, set_alpha_to_one=False, steps_offset=1)
    if sampler == "euler":
        from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler

        return EulerDiscreteScheduler(**settings)
    if sampler == "euler_a":
        from diffusers.schedulers.scheduling_euler_ancestral_discrete import EulerAncestralDiscreteScheduler

        return EulerAncestralDiscreteScheduler(**settings)
    if sampler == "dpmpp_2m":
        from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler

        return DPMSolverMultistepScheduler(**settings)
    raise OptionValueError(
        f"The bundled renderer has no sampler {sampler!r}: use ddim, euler, euler_a or dpmpp_2m."
    )


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


def _as_image(pixels: Tensor) -> Image:
    from PIL import Image

    levels = (pixels / 2 + 0.5).clamp(0, 1).permute(1, 2, 0).cpu().numpy()
    return Image.fromarray((levels * 255).round().astype("uint8"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], open_painter))
