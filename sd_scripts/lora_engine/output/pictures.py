"""Paints pictures with a loaded model, several that differ in prompt and seed in one batch.

Each picture's noise is drawn on the CPU from its own seed, whatever the device and the batch. How large the batch
is changes a picture's last bits; what else is in it does not. Shapes: B pictures, B x C x H x W."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from lora_engine.families import Family, TextStates
from sd_contract.base_models.base_model import BaseModel
from sd_contract.errors import OptionError

if TYPE_CHECKING:
    from PIL.Image import Image

NOISE_SCHEDULE: Mapping[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
}


@dataclass(frozen=True)
class _Scheduler:
    """A scheduler of diffusers: its module, its class, how it is set up here."""

    module: str
    name: str
    settings: Mapping[str, Any]


def _scheduler(module: str, name: str, **settings: Any) -> _Scheduler:
    return _Scheduler(f"diffusers.schedulers.scheduling_{module}", name, settings)


_DPM = ("dpmsolver_multistep", "DPMSolverMultistepScheduler")
SCHEDULERS: Mapping[str, _Scheduler] = {
    "ddim": _scheduler("ddim", "DDIMScheduler", clip_sample=False, set_alpha_to_one=False, steps_offset=1),
    "pndm": _scheduler("pndm", "PNDMScheduler", skip_prk_steps=True, set_alpha_to_one=False, steps_offset=1),
    "lms": _scheduler("lms_discrete", "LMSDiscreteScheduler"),
    "euler": _scheduler("euler_discrete", "EulerDiscreteScheduler"),
    "euler_a": _scheduler("euler_ancestral_discrete", "EulerAncestralDiscreteScheduler"),
    "heun": _scheduler("heun_discrete", "HeunDiscreteScheduler"),
    "dpm_2": _scheduler("k_dpm_2_discrete", "KDPM2DiscreteScheduler"),
    "dpm_2_a": _scheduler("k_dpm_2_ancestral_discrete", "KDPM2AncestralDiscreteScheduler"),
    "dpmsolver": _scheduler(*_DPM, algorithm_type="dpmsolver", final_sigmas_type="sigma_min"),
    "dpmsolver++": _scheduler(*_DPM),
    "dpmpp_2m": _scheduler(*_DPM),
    "dpmsingle": _scheduler("dpmsolver_singlestep", "DPMSolverSinglestepScheduler"),
    "dpmpp_2m_sde": _scheduler(*_DPM, algorithm_type="sde-dpmsolver++"),
    "unipc": _scheduler("unipc_multistep", "UniPCMultistepScheduler"),
}
SPACINGS: Mapping[str, Mapping[str, Any]] = {
    "_karras": {"use_karras_sigmas": True},
    "_exponential": {"use_exponential_sigmas": True},
    "_beta": {"use_beta_sigmas": True},
    "_sgm_uniform": {"timestep_spacing": "trailing"},
}
"""How steps may be spread over the noise: what it adds to a sampler's name, and to its settings."""


class Wanted(Protocol):
    """What a picture is to be. With `guidance` 1 the negative prompt is not used."""

    @property
    def width_px(self) -> int: ...
    @property
    def height_px(self) -> int: ...
    @property
    def steps(self) -> int: ...
    @property
    def guidance(self) -> float: ...
    @property
    def sampler(self) -> str: ...


def prompts_of(prompt: str, negative_prompt: str, guidance: float) -> list[str]:
    """What has to be encoded for a picture: the negative prompt and the prompt; without guidance that alone."""
    return [prompt] if guidance == 1 else [negative_prompt, prompt]


def paint(
    model: Family,
    vae: Any,
    text: TextStates | Sequence[TextStates],
    wanted: Wanted,
    seed: int | Sequence[int],
    device: torch.device,
    stopped: Callable[[], bool] = lambda: False,
) -> Tensor | None:
    """Pixels 3 x H x W from -1 to 1 for the text of `prompts_of`; B x 3 x H x W for several seeds, with the text
    of `together`. None when stopped meanwhile. OptionError for an unknown sampler."""
    texts = [text] if isinstance(text, TextStates) else text
    seeds = [seed] if isinstance(seed, int) else seed
    generators = [torch.Generator("cpu").manual_seed(each) for each in seeds]
    scheduler = new_scheduler(wanted.sampler, model.base)
    with _without_warnings():
        scheduler.set_timesteps(wanted.steps, device=device)
    latents = torch.cat([_first_noise(model, wanted, one) for one in generators]).to(device)
    latents = latents * scheduler.init_noise_sigma
    own = {"generator": generators} if "generator" in signature(scheduler.step).parameters else {}
    for timestep in scheduler.timesteps:
        if stopped():
            return None
        prediction = _guided(
            model, scheduler.scale_model_input(latents, timestep), timestep, texts, wanted.guidance
        )
        latents = scheduler.step(prediction, timestep, latents, return_dict=False, **own)[0]
    pixels = torch.cat(
        [vae.decode(one, return_dict=False)[0] for one in (latents / model.scaling_factor).split(1)]
    )
    return pixels[0] if isinstance(seed, int) else pixels


def together(pictures: Sequence[Sequence[TextStates]]) -> list[TextStates]:
    """The texts of several pictures, each without and with its prompt, as few batches: all pictures without their
    prompts, then all with; in one batch where all texts are of one length. Every picture's texts have to have the
    lengths of the others'."""
    rows = [TextStates.joined(row) for row in zip(*pictures, strict=True)]
    equal = len({row.states.shape[1] for row in rows}) == 1
    return [TextStates.joined(rows)] if equal else rows


def as_image(pixels: Tensor) -> Image:
    """The picture of pixels from -1 to 1."""
    from PIL import Image

    levels = (pixels / 2 + 0.5).clamp(0, 1).permute(1, 2, 0).float().cpu().numpy()
    return Image.fromarray((levels * 255).round().astype("uint8"))


def new_scheduler(sampler: str, base: BaseModel) -> Any:
    """The diffusers scheduler for a sampler, on Stable Diffusion's noise schedule. OptionError for an unknown
    one."""
    spacing = next((spacing for spacing in SPACINGS if sampler.endswith(spacing)), "")
    found = SCHEDULERS.get(sampler.removesuffix(spacing).removeprefix("k_"))
    if found is None:
        raise OptionError(f"There is no sampler {sampler!r}. Use one of: {', '.join(SCHEDULERS)}.")
    make = getattr(import_module(found.module), found.name)
    with _without_warnings():
        settings = {
            **NOISE_SCHEDULE,
            **found.settings,
            **SPACINGS.get(spacing, {}),
            "prediction_type": base.prediction_type,
        }
        if base.zero_terminal_snr and "rescale_betas_zero_snr" in signature(make).parameters:
            settings |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
        return make(**settings)


@contextmanager
def _without_warnings() -> Iterator[None]:
    """diffusers' schedulers warn of what their authors are to change: nothing that a user can do about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _first_noise(model: Family, wanted: Wanted, generator: torch.Generator) -> Tensor:
    factor = model.base.latent_factor
    shape: Sequence[int] = (
        1,
        model.base.unet["in_channels"],
        wanted.height_px // factor,
        wanted.width_px // factor,
    )
    return torch.randn(*shape, generator=generator)


def _guided(
    model: Family, latents: Tensor, timestep: Tensor, texts: Sequence[TextStates], guidance: float
) -> Tensor:
    """The prediction with classifier-free guidance (Ho & Salimans, arXiv 2207.12598), in float32."""
    predictions = torch.cat([_predicted(model, latents, timestep, text) for text in texts])
    if len(predictions) == len(latents):
        return predictions
    without, with_prompt = predictions.chunk(2)
    return without + guidance * (with_prompt - without)


def _predicted(model: Family, latents: Tensor, timestep: Tensor, text: TextStates) -> Tensor:
    several = latents.repeat(len(text) // len(latents), 1, 1, 1).to(text.states.dtype)
    return model.predict(several, timestep.expand(len(text)), text).float()
