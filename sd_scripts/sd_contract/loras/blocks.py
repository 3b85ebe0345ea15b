"""The blocks of a U-Net as people weigh them: BASE (the text encoders), IN00 to IN11, MID, OUT00 to OUT11."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sd_contract.errors import OptionError
from sd_contract.networks import SD, SDXL, block_of
from sd_contract.tensors.tensor_names import part_of

BASE, MID = "BASE", "MID"
BLOCKS = (BASE, *(f"IN{n:02}" for n in range(12)), MID, *(f"OUT{n:02}" for n in range(12)))
Weights = Mapping[str, float]


def _chosen(inner: tuple[int, ...], outer: tuple[int, ...]) -> tuple[str, ...]:
    return (BASE, *(f"IN{n:02}" for n in inner), MID, *(f"OUT{n:02}" for n in outer))


LISTS: Mapping[int, tuple[str, ...]] = {
    12: _chosen((4, 5, 7, 8), (0, 1, 2, 3, 4, 5)),
    17: _chosen((1, 2, 4, 5, 7, 8), tuple(range(3, 12))),
    20: _chosen(tuple(range(9)), tuple(range(9))),
    26: BLOCKS,
}
"""Which blocks the lists of kohya's tools speak of, by their length: SDXL's with and without blocks that have no
attention, SD's likewise."""


def block_label(layer: str, *, is_sdxl: bool) -> str | None:
    """The block of a layer by its own name; None for one that lies outside the blocks."""
    if part_of(layer) == "text_encoder":
        return BASE
    layout = SDXL if is_sdxl else SD
    place = block_of(layer, layout)
    if place is None:
        return None
    place -= layout.before
    if place < layout.down:
        return f"IN{place:02}"
    if place < layout.down + layout.mid:
        return MID
    return f"OUT{place - layout.down - layout.mid:02}"


def block_weights(text: str) -> Weights:
    """Block weights written as a JSON list, as numbers with commas between them, or by name: `IN04=0.5,OUT05=0`.
    Blocks that are not named keep their strength. OptionError."""
    try:
        if "=" in text:
            return _by_name(text)
        numbers = json.loads(text if text.lstrip().startswith("[") else f"[{text}]")
        return _of_list(numbers)
    except (ValueError, TypeError) as error:
        if isinstance(error, OptionError):
            raise
        raise OptionError(
            f"block weights {text!r} can't be read. Write {_lengths()} numbers with commas between them, or "
            "names: IN04=0.5,OUT05=0."
        ) from error


def weight_of(layer: str, weights: Weights, *, is_sdxl: bool) -> float:
    """What a layer's change is multiplied with."""
    label = block_label(layer, is_sdxl=is_sdxl)
    return 1.0 if label is None else weights.get(label, 1.0)


def _of_list(numbers: list[Any]) -> Weights:
    if len(numbers) not in LISTS:
        raise OptionError(f"block weights: there are {len(numbers)} numbers; give {_lengths()}.")
    return dict(zip(LISTS[len(numbers)], map(_number, numbers), strict=True))


def _by_name(text: str) -> Weights:
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    weights = {name.strip().upper(): _number(float(value)) for name, _, value in pairs}
    for name in weights:
        if name not in BLOCKS:
            raise OptionError(f"block weights: there is no block {name!r}. There are {', '.join(BLOCKS)}.")
    return weights


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value or abs(value) > 1e6:
        raise ValueError(value)
    return float(value)


def _lengths() -> str:
    return "12, 17, 20 or 26"
