"""What is to be painted while a training runs: prompts with their settings, from a .txt, .toml or .json file."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sd_contract.errors import OptionError

STEPS = 30
GUIDANCE = 7.5
SMALLEST_PX = 64
MOST_STEPS = 1000


@dataclass(frozen=True, kw_only=True)
class SamplePrompt:
    """One picture. `seed` None draws another one each time; `sampler` has one of the option's names."""

    prompt: str
    negative_prompt: str = ""
    width_px: int
    height_px: int
    seed: int | None = None
    steps: int = STEPS
    guidance: float = GUIDANCE
    sampler: str


def _size(value: object) -> int:
    return max(SMALLEST_PX, _whole(value) // 8 * 8)


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError(value)
    return int(value)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(value)
    return float(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(value)
    return value


FIELDS: Mapping[str, tuple[str, str, Callable[[object], Any]]] = {
    "n": ("negative_prompt", "negative_prompt", _text),
    "w": ("width", "width_px", _size),
    "h": ("height", "height_px", _size),
    "d": ("seed", "seed", _whole),
    "s": ("sample_steps", "steps", lambda value: min(max(_whole(value), 1), MOST_STEPS)),
    "l": ("scale", "guidance", _number),
    "ss": ("sample_sampler", "sampler", _text),
}
"""Option of a line: its key in a table, the field, how the value is read."""
_BY_KEY = {key: (field, read) for key, field, read in FIELDS.values()}


def read_sample_prompts(
    path: Path, *, size_px: int, sampler: str, samplers: tuple[str, ...]
) -> tuple[SamplePrompt, ...]:
    """The prompts of a file. `size_px` and `sampler` are used where it names none. OptionError names the place and
    what is wrong."""
    try:
        entries = list(_entries(path))
    except OSError as error:
        raise OptionError(f"sample_prompts = {path} can't be read: {error.strerror}.") from error
    except ValueError as error:
        if isinstance(error, OptionError):
            raise
        raise OptionError(f"sample_prompts = {path} can't be read: {error}.") from error
    if not entries:
        raise OptionError(f"sample_prompts = {path} holds no prompt.")
    defaults = {"width_px": size_px, "height_px": size_px, "sampler": sampler}
    prompts = tuple(SamplePrompt(**{**defaults, **entry}) for entry in entries)
    for prompt in prompts:
        if prompt.sampler not in samplers:
            raise OptionError(f"{path}: sampler {prompt.sampler!r} is not known. Allowed: {', '.join(samplers)}.")
    return prompts


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix == ".toml":
        shared = tomllib.loads(text).get("prompt", {})
        subsets = shared.pop("subset", [{}])
        for place, subset in enumerate(subsets, 1):
            yield _from_table({**shared, **subset}, f"{path}, subset {place}")
    elif path.suffix == ".json":
        for place, entry in enumerate(json.loads(text), 1):
            where = f"{path}, entry {place}"
            yield _from_line(entry, where) if isinstance(entry, str) else _from_table(entry, where)
    elif path.suffix == ".txt":
        for place, line in enumerate(text.splitlines(), 1):
            if line.strip() and not line.startswith("#"):
                yield _from_line(line.strip(), f"{path}, line {place}")
    else:
        raise OptionError(f"sample_prompts = {path}: a .txt, .toml or .json file is wanted.")


def _from_line(line: str, where: str) -> dict[str, Any]:
    prompt, *options = re.split(r"\s--(?=\w)", f" {line}")
    entry: dict[str, Any] = {"prompt": prompt.strip()}
    for option in options:
        name, _, value = option.strip().partition(" ")
        if name.lower() not in FIELDS:
            raise OptionError(
                f"{where}: --{name} is not known. Allowed: {', '.join(f'--{key}' for key in FIELDS)}."
            )
        _, field, read = FIELDS[name.lower()]
        entry[field] = _read(read, value.strip(), f"{where}: --{name}")
    return entry


def _from_table(table: object, where: str) -> dict[str, Any]:
    if not isinstance(table, dict) or not isinstance(table.get("prompt"), str):
        raise OptionError(f'{where}: a table with a text "prompt" is wanted.')
    entry: dict[str, Any] = {"prompt": table["prompt"]}
    for key, value in table.items():
        if key in ("prompt", "enum"):
            continue
        if key not in _BY_KEY:
            raise OptionError(f"{where}: key {key!r} is not known. Allowed: prompt, {', '.join(_BY_KEY)}.")
        field, read = _BY_KEY[key]
        entry[field] = _read(read, value, f"{where}: {key}")
    return entry


def _read(read: Callable[[object], Any], value: object, where: str) -> Any:
    try:
        return read(value)
    except ValueError as error:
        raise OptionError(f"{where} = {value!r} can't be used.") from error
