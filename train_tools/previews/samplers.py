"""The samplers and schedulers previews may ask for, under one name each. Renderers know how to run them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from train_tools.errors import OptionValueError

SAMPLERS: Mapping[str, str] = {
    "ddim": "DDIM",
    "euler": "Euler",
    "euler_a": "Euler a",
    "dpmpp_2m": "DPM++ 2M",
    "dpmpp_2m_sde": "DPM++ 2M SDE",
    "dpm_2": "DPM2",
    "dpm_2_a": "DPM2 a",
    "heun": "Heun",
    "lms": "LMS",
    "pndm": "PLMS",
    "unipc": "UniPC",
}
"""Name in settings and files: name on screens and in infotexts, which is the WebUIs'."""

SCHEDULERS: Mapping[str, str] = {
    "": "",
    "karras": "Karras",
    "exponential": "Exponential",
    "beta": "Beta",
    "sgm_uniform": "SGM Uniform",
}
"""How the steps are spread over the noise: name in settings and files, name in infotexts."""

SCHEDULED = ("euler", "dpmpp_2m", "dpmpp_2m_sde", "dpm_2", "dpm_2_a", "heun", "lms", "unipc")
"""The samplers that leave the choice."""
LEADING = ("euler_a", "ddim", "pndm")
"""Those that know only how far apart their steps are."""
AUTOMATIC: Mapping[str, str] = {
    "dpmpp_2m": "karras",
    "dpmpp_2m_sde": "exponential",
    "dpm_2": "karras",
    "dpm_2_a": "karras",
}
"""What a WebUI's schedule type "Automatic" means."""


def sampler_named(text: str) -> str:
    """The sampler's one name, from that name or its label in any spelling: "DPM++ 2M" is dpmpp_2m, and
    "DPM++ 2M Karras", as WebUIs once named sampler and scheduler together, is dpmpp_2m_karras."""
    wanted = _squeezed(text)
    for name, label in SAMPLERS.items():
        for scheduler in _schedulers_of(name):
            if wanted in (_squeezed(name + scheduler), _squeezed(label + SCHEDULERS[scheduler])):
                return f"{name}_{scheduler}" if scheduler else name
    raise OptionValueError(f"Sampler {text!r} is not known. Choose one of: {', '.join(SAMPLERS)}.")


def scheduler_named(text: str) -> str:
    """The scheduler's one name, in the same way; "" and "Automatic" leave it to the sampler."""
    wanted = _squeezed(text)
    if wanted in ("automatic", "normal", "uniform"):
        return ""
    for name, label in SCHEDULERS.items():
        if wanted in (_squeezed(name), _squeezed(label)):
            return name
    raise OptionValueError(
        f"Scheduler {text!r} is not known. Choose one of: {', '.join(filter(None, SCHEDULERS))}."
    )


def or_as_typed(named: Callable[[str], str]) -> Callable[[str], str]:
    """The same, but what we don't know is kept: a WebUI has more, and says itself what it has."""

    def either(text: str) -> str:
        try:
            return named(text)
        except OptionValueError:
            if not text.strip():
                raise
            return text.strip()

    return either


def parted_for(webui: bool, sampler: str, scheduler: str = "") -> tuple[str, str]:
    """As `parted`; for a WebUI, what we don't know stays as it is."""
    try:
        return parted(sampler, scheduler)
    except OptionValueError:
        if not webui:
            raise
        return sampler, scheduler


@cache
def parted(sampler: str, scheduler: str = "") -> tuple[str, str]:
    """Sampler and scheduler, each for itself. OptionValueError for two that don't go together."""
    for name in sorted(SAMPLERS, key=len, reverse=True):
        own = sampler.removeprefix(name).removeprefix("_")
        if sampler.startswith(name) and own in SCHEDULERS:
            chosen = scheduler or own
            if chosen not in _schedulers_of(name):
                allowed = ", ".join(SCHEDULERS[one] for one in _schedulers_of(name) if one) or "none"
                raise OptionValueError(
                    f"{SAMPLERS[name]} can't be run with the scheduler {SCHEDULERS.get(chosen, chosen)}. "
                    f"It takes: {allowed}."
                )
            return name, chosen
    raise OptionValueError(f"Sampler {sampler!r} is not known. Choose one of: {', '.join(SAMPLERS)}.")


def label_of(sampler: str) -> str:
    """For people: "DPM++ 2M Karras"."""
    name, scheduler = parted_for(True, sampler)
    return f"{SAMPLERS.get(name, name)} {SCHEDULERS.get(scheduler, scheduler)}".strip()


def _schedulers_of(sampler: str) -> tuple[str, ...]:
    if sampler in SCHEDULED:
        return tuple(SCHEDULERS)
    return ("", "sgm_uniform") if sampler in LEADING else ("",)


def _squeezed(text: str) -> str:
    return text.lower().replace("_", "").replace(" ", "")
