"""Preview settings from what a WebUI says of a picture: an infotext that somebody pasted, or a picture's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from train_tools.errors import OptionValueError
from train_tools.model.preview import PreviewSettings
from train_tools.previews.axes import AXES
from train_tools.previews.infotext import parse_infotext
from train_tools.previews.lora_tags import without_lora_tags
from train_tools.previews.samplers import AUTOMATIC, parted, sampler_named, scheduler_named

FIELDS: Mapping[str, str] = {
    "Steps": "steps",
    "CFG scale": "guidance",
    "Seed": "seed",
    "Size": "size",
    "Clip skip": "clip_skip",
}
"""Names in an infotext: axes here."""
TOLD_ELSEWHERE = ("Sampler", "Schedule type", "Version", "Model", "Model hash", "Lora hashes", "VAE", "VAE hash")
NO_MATTER = ("Face restoration", "RNG", "Token merging ratio", "TI hashes", "Hashes", "User", "Backend", "App")


@dataclass(frozen=True)
class Pasted:
    """Settings, and in words what of the text was left out."""

    settings: PreviewSettings
    notes: tuple[str, ...]


def settings_from_infotext(text: str, settings: PreviewSettings) -> Pasted:
    """The settings with all that the infotext says put in the place of theirs. Raises OptionValueError for a text
    that is none."""
    said = parse_infotext(text.replace("\r\n", "\n").strip().lstrip("\ufeff"))
    if not said.parameters and not said.negative_prompt:
        raise OptionValueError(
            'This is no infotext: its last line has to begin like "Steps: 28, Sampler: Euler a, ...". Paste the '
            "whole text that a WebUI shows below a picture."
        )
    prompt, tags = without_lora_tags(said.prompt)
    negative, more = without_lora_tags(said.negative_prompt)
    notes = [f"{tag} was taken out: the matrix itself says which LoRA." for tag in (*tags, *more)]
    found: dict[str, Any] = {"prompts": (prompt,), "negative_prompt": negative}
    for name, value in said.parameters.items():
        if name in FIELDS:
            _take(found, notes, FIELDS[name], value)
        elif name not in (*TOLD_ELSEWHERE, *NO_MATTER):
            notes.append(f"{name}: {value} has no meaning here and was left out.")
    found |= _sampling(said.parameters, notes)
    axes = {
        name: values for name, values in settings.axes.items() if name not in (*found, "size", "seed", "prompt")
    }
    return Pasted(replace(settings, **found, axes=axes), tuple(notes))


def _take(found: dict[str, Any], notes: list[str], axis: str, text: str) -> None:
    try:
        value = AXES[axis].made(text.strip())
    except (ValueError, OptionValueError) as error:
        notes.append(f"{axis} {text!r} can't be used ({error}) and was left out.")
        return
    if axis == "size":
        found["width_px"], found["height_px"] = map(int, value.split("x"))
    elif axis == "seed":
        found["seeds"] = (value,)
    else:
        found[axis] = value


def _sampling(parameters: Mapping[str, str], notes: list[str]) -> dict[str, str]:
    """Sampler and scheduler, also those of WebUIs that named them in one."""
    if "Sampler" not in parameters:
        return {}
    sampler = _known(sampler_named, parameters["Sampler"], notes)
    if sampler is None:
        return {}
    name, scheduler = parted(sampler)
    said = parameters.get("Schedule type")
    if said == "Automatic":
        scheduler = AUTOMATIC.get(name, "")
    elif said is not None:
        scheduler = _known(scheduler_named, said, notes) or scheduler
    try:
        parted(name, scheduler)
    except OptionValueError as error:
        notes.append(str(error))
        scheduler = ""
    return {"sampler": name, "scheduler": scheduler}


def _known(named: Callable[[str], str], text: str, notes: list[str]) -> str | None:
    try:
        return named(text)
    except OptionValueError as error:
        notes.append(f"{error} The setting stays as it was.")
        return None
