"""What can differ between the pictures of a matrix, which of it goes down and which across."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from train_tools.errors import OptionValueError
from train_tools.model.preview import WEBUI, PreviewSettings
from train_tools.previews.lora_tags import without_lora_tags
from train_tools.previews.samplers import label_of, or_as_typed, parted_for, sampler_named, scheduler_named

LARGEST_SEED = 2**64 - 1
RUN, CHECKPOINT, SOURCE = "run", "checkpoint", "source"
BASE_MODEL, PROMPT, SEED, WEIGHT = "base_model", "prompt", "seed", "weight"
OF_LORA = (RUN, CHECKPOINT, WEIGHT)
"""Axes that mean nothing to the base model alone; the options that a grid varies are such axes too."""
SIZE = re.compile(r"\s*(\d+)\s*[x,]\s*(\d+)\s*", re.IGNORECASE)
OWN = "its own"


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def _size(value: Any) -> str:
    match = SIZE.fullmatch(str(value))
    if match is None:
        raise ValueError(value)
    width, height = int(match[1]), int(match[2])
    PreviewSettings(width_px=width, height_px=height)
    return f"{width}x{height}"


def _steps(value: Any) -> int:
    return PreviewSettings(steps=_whole(value)).steps


def _whole(value: Any) -> int:
    if isinstance(value, float) and not value.is_integer():
        raise ValueError(value)
    return int(value)


def _seed(value: Any) -> int:
    seed = _whole(value)
    if not 0 <= seed <= LARGEST_SEED:
        raise OptionValueError(
            f"Seed {seed} can't be used for previews: seeds are whole numbers from 0 to {LARGEST_SEED}."
        )
    return seed


def _prompt(value: Any) -> str:
    return without_lora_tags(str(value))[0]


def _file_name(value: str) -> str:
    return Path(value).stem or OWN


@dataclass(frozen=True)
class _Axis:
    """A setting: the values it may take, what is wanted in words, and how people read one."""

    made: Callable[[Any], Any]
    claim: str
    text: Callable[[Any], str] = str


AXES: Mapping[str, _Axis] = {
    BASE_MODEL: _Axis(str, "the file of a base model", _file_name),
    "prompt": _Axis(_prompt, "a text", lambda text: text or "(empty)"),
    "negative_prompt": _Axis(_prompt, "a text", lambda text: text or "(empty)"),
    "size": _Axis(_size, "a width and a height, as in 512x768"),
    "sampler": _Axis(sampler_named, "a sampler", label_of),
    "scheduler": _Axis(scheduler_named, "a scheduler", lambda name: name or OWN),
    "steps": _Axis(_steps, "a whole number"),
    "guidance": _Axis(_number, "a number", "{:g}".format),
    "clip_skip": _Axis(lambda value: max(1, _whole(value)), "a whole number"),
    "vae": _Axis(str, "a VAE's file", _file_name),
    "seed": _Axis(_seed, "a whole number"),
    WEIGHT: _Axis(_number, "a number", "{:g}".format),
}
"""The settings that can be an axis, outermost first."""
LISTED = {"prompt": "prompts", "seed": "seeds", WEIGHT: "weights"}
"""Settings that are lists from the beginning."""
WORDS = {
    "negative_prompt": "negative prompt",
    "guidance": "CFG",
    "clip_skip": "clip skip",
    BASE_MODEL: "base model",
    "vae": "VAE",
    RUN: "",
    CHECKPOINT: "",
    SOURCE: "",
}
"""How people call an axis, where that is not its name; empty where values speak for themselves."""

Combination = Mapping[str, Any]
"""A value for each of `AXES`."""


def words_of(axis: str) -> str:
    """How people call an axis; empty where its values need no word, as "network_dim=8" needs none."""
    return WORDS.get(axis, axis if axis in AXES else "")


def text_of(axis: str, value: Any) -> str:
    """A value as people read it."""
    return AXES[axis].text(value)


def checked_settings(settings: PreviewSettings) -> PreviewSettings:
    """The settings in the values of `AXES`. Raises OptionValueError for what no renderer could render."""
    for name in settings.axes:
        if name not in AXES:
            raise OptionValueError(f"{name!r} is nothing that previews can vary. Use one of: {', '.join(AXES)}.")
        if not settings.axes[name]:
            raise OptionValueError(f"{words_of(name)}: at least one value is wanted.")
    both = set(settings.rows) & set(settings.columns)
    if both:
        raise OptionValueError(f"{', '.join(sorted(both))} can't be in the rows and in the columns of one matrix.")
    named: dict[str, Callable[[str], str]] = {"sampler": sampler_named, "scheduler": scheduler_named}
    if settings.renderer == WEBUI:
        named = {name: or_as_typed(each) for name, each in named.items()}
    settings = replace(
        settings,
        prompts=_checked("prompt", settings.prompts),
        negative_prompt=_prompt(settings.negative_prompt),
        weights=_checked(WEIGHT, settings.weights),
        seeds=_checked("seed", settings.seeds),
        guidance=_checked("guidance", (settings.guidance,))[0],
        sampler=named["sampler"](settings.sampler),
        scheduler=named["scheduler"](settings.scheduler),
        axes={
            name: tuple(map(named[name], map(str, values))) if name in named else _checked(name, values)
            for name, values in settings.axes.items()
        },
    )
    for sampler, scheduler in product(*(values_of(settings)[name] for name in ("sampler", "scheduler"))):
        parted_for(settings.renderer == WEBUI, sampler, scheduler)
    return settings


def _checked(axis: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(_value(axis, value) for value in values)


def _value(axis: str, value: Any) -> Any:
    try:
        return AXES[axis].made(value)
    except OptionValueError:
        raise
    except (TypeError, ValueError, OverflowError):
        raise OptionValueError(f"{value} is no {words_of(axis)}: {AXES[axis].claim} is wanted.") from None


def lora_tags_in(settings: PreviewSettings) -> tuple[str, ...]:
    """The LoRA tags somebody wrote into prompts, which have no effect there (S1-56)."""
    texts = (
        *settings.prompts,
        settings.negative_prompt,
        *settings.axes.get("prompt", ()),
        *settings.axes.get("negative_prompt", ()),
    )
    return tuple(dict.fromkeys(tag for text in texts for tag in without_lora_tags(str(text))[1]))


def values_of(settings: PreviewSettings) -> dict[str, tuple[Any, ...]]:
    """The values of each axis in their order, each once. Only when all weights are 0, 0 is one."""
    single: dict[str, tuple[Any, ...]] = {
        BASE_MODEL: ("",),
        "prompt": settings.prompts,
        "size": (f"{settings.width_px}x{settings.height_px}",),
        "seed": settings.seeds,
        WEIGHT: settings.weights,
    }
    found = {
        name: tuple(dict.fromkeys(settings.axes.get(name) or single.get(name) or (getattr(settings, name),)))
        for name in AXES
    }
    found["clip_skip"] = tuple(max(1, int(value)) for value in found["clip_skip"])
    found[WEIGHT] = tuple(weight for weight in found[WEIGHT] if weight) or (0.0,)
    return found


def combinations(settings: PreviewSettings, *, of_base: bool = False) -> Iterator[Combination]:
    """Each combination of the axes' values; of the base model alone, whatever a LoRA's weight might be."""
    found = values_of(settings)
    if of_base:
        found[WEIGHT] = (0.0,)
    for values in product(*found.values()):
        yield dict(zip(found, values, strict=True))


@dataclass(frozen=True)
class Arrangement:
    """The axes of the rows and those of the columns, outermost first."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def base_is_a_column(self) -> bool:
        return CHECKPOINT in self.columns


def arrangement_of(
    settings: PreviewSettings, varied: tuple[str, ...] = (), *, sampled: bool = False
) -> Arrangement:
    """Where each axis goes: as the settings say, else runs and checkpoints down and the rest across. `varied` are
    the options in which the runs differ; `sampled` = pictures that trainers painted are shown as well. Raises
    OptionValueError for an axis that there is not."""
    named = (*settings.rows, *settings.columns)
    for axis in named:
        if axis not in (*AXES, *OF_LORA, *varied):
            raise OptionValueError(
                f"{axis!r} is no axis of this matrix. There are: {', '.join((*varied, *OF_LORA, *AXES))}."
            )
    rows, columns = list(settings.rows), list(settings.columns)
    unnamed = [axis for axis in _axes_shown(settings, varied, named) if axis not in named]
    if sampled:
        columns.insert(0, SOURCE)
    for axis in unnamed:
        (rows if axis in (BASE_MODEL, RUN, CHECKPOINT, *varied) else columns).append(axis)
    return Arrangement(tuple(rows), tuple(columns))


def _axes_shown(settings: PreviewSettings, varied: tuple[str, ...], named: tuple[str, ...]) -> Iterator[str]:
    """Runs are told apart by their label, or by the options that are named."""
    if BASE_MODEL in settings.axes:
        yield BASE_MODEL
    if any(axis in named for axis in varied):
        yield from varied
    else:
        yield RUN
    yield CHECKPOINT
    found = values_of(settings)
    for axis in AXES:
        if axis in ("prompt", "seed", WEIGHT) or (len(found[axis]) > 1 and axis != BASE_MODEL):
            yield axis
