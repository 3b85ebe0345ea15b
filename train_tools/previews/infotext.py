"""The text that a picture carries about itself, in the form that the WebUIs of the A1111 family write and read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from train_tools import __version__
from train_tools.model.preview import Picture
from train_tools.previews.lora_tags import lora_tag
from train_tools.previews.samplers import SAMPLERS, SCHEDULERS

NEGATIVE = "Negative prompt:"
PARAMETER = re.compile(r'\s*(\w[\w \-/]*):\s*("(?:\\.|[^\\"])*"|[^,]*)(?:,|$)')
NEEDS_QUOTES = re.compile(r'[,:\n"]')


@dataclass(frozen=True, kw_only=True)
class Infotext:
    """An infotext taken apart. `parameters` are the last line's values as text, under their A1111 names."""

    prompt: str
    negative_prompt: str
    parameters: Mapping[str, str]


def infotext(picture: Picture, *, base_stem: str, lora_stem: str | None) -> str:
    """What a WebUI needs to render the picture again, once the LoRA's file lies in its folder."""
    prompt = picture.prompt
    if lora_stem is not None:
        tag = lora_tag(lora_stem, picture.weight)
        prompt = f"{prompt} {tag}" if prompt else tag
    lines = [prompt]
    if picture.negative_prompt:
        lines.append(f"{NEGATIVE} {picture.negative_prompt}")
    lines.append(
        ", ".join(f"{name}: {_quoted(value)}" for name, value in _parameters(picture, base_stem, lora_stem))
    )
    return "\n".join(lines)


def parse_infotext(text: str) -> Infotext:
    """Takes an infotext apart; never fails: what can't be told apart is prompt.

    A prompt with a line that begins with "Negative prompt:" ends there: the form has no way to say otherwise.
    """
    lines = text.split("\n")
    parameters = dict(PARAMETER.findall(lines[-1])) if _is_parameters(lines[-1]) else {}
    if parameters:
        lines.pop()
    negative = next((i for i, line in enumerate(lines) if line.startswith(NEGATIVE)), len(lines))
    return Infotext(
        prompt="\n".join(lines[:negative]),
        negative_prompt="\n".join(lines[negative:])[len(NEGATIVE) :].removeprefix(" "),
        parameters={name: _unquoted(value) for name, value in parameters.items()},
    )


def _parameters(picture: Picture, base_stem: str, lora_stem: str | None) -> list[tuple[str, str]]:
    values = [
        ("Steps", str(picture.steps)),
        ("Sampler", SAMPLERS.get(picture.sampler, picture.sampler)),
        *([("Schedule type", SCHEDULERS.get(picture.scheduler, picture.scheduler))] if picture.scheduler else []),
        ("CFG scale", f"{picture.guidance:g}"),
        ("Seed", str(picture.seed)),
        ("Size", f"{picture.width_px}x{picture.height_px}"),
        ("Model hash", picture.base[:10]),
        ("Model", base_stem),
    ]
    if picture.vae:
        values.append(("VAE hash", picture.vae[:10]))
    if picture.clip_skip > 1:
        values.append(("Clip skip", str(picture.clip_skip)))
    if lora_stem is not None and picture.lora is not None:
        values.append(("Lora hashes", f"{lora_stem}: {picture.lora[:12]}"))
    if picture.embeddings:
        hashes = (embedding.rsplit(" ", 1) for embedding in picture.embeddings)
        values.append(("TI hashes", ", ".join(f"{name}: {sha256[:12]}" for name, sha256 in hashes)))
    return [*values, ("Version", f"Train Tools {__version__}")]


def _is_parameters(line: str) -> bool:
    return line.startswith("Steps: ") and len(PARAMETER.findall(line)) >= 3


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if NEEDS_QUOTES.search(value) else value


def _unquoted(value: str) -> str:
    try:
        return str(json.loads(value)) if value.startswith('"') else value
    except ValueError:
        return value
