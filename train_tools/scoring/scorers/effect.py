"""How much a LoRA changes the model, from its file alone: nothing ("no effect", S0-44), or so much that the model
can't be left of it ("burnt", S0-43).

A layer's effect is |dW| / sqrt(outputs), with |dW| the Frobenius norm of what the LoRA adds to its weight: the
size of what the layer then says to inputs of independent parts of size 1, as a layer norm makes them. A layer of a
base model itself says about 1 to them, so the number is the share of the model's own voice."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import mean
from typing import Any

from sd_contract.errors import CheckpointError
from sd_contract.loras.blocks import block_label
from sd_contract.loras.names import has_names_of_sdxl
from sd_contract.tensors.tensor_files import read_header
from sd_contract.tensors.tensor_names import ALPHA, DOWN, UP
from train_tools.model.score import Remark, Score, Unscored
from train_tools.runs.tensors import numbers_of, tensors_in
from train_tools.scoring.measured import keep, kept
from train_tools.scoring.scorer import Subject, unscored

NAME = "effect"
MANNER = 1
NOTHING = 1e-4
"""A mean effect below it moves no pixel."""
TOO_MUCH = 0.4
"""A mean effect above it drowns the model. Pocket runs: 0.03 undertrained, 0.14 good, 0.5 and 0.98 burnt."""
OTHER = "other"
MIDDLE = "lora_mid.weight"
HADAMARD = ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")
Leaves = Mapping[str, Any]


def score(subject: Subject) -> Score | Unscored:
    """The mean effect over all layers."""
    file = subject.measured.file(NAME, MANNER, lora=subject.content)
    effects = kept(file)
    if effects is None:
        try:
            is_sdxl = has_names_of_sdxl(read_header(subject.checkpoint.path).shapes)
            effects = {"layers": effects_in(subject.checkpoint.path), "sdxl": is_sdxl}
        except (CheckpointError, OSError) as error:
            return unscored(NAME, f"The file can't be read: {error}")
        keep(file, effects)
    layers: dict[str, float | None] = effects["layers"]
    if not layers:
        return unscored(NAME, "The file is of a kind whose effect is not reckoned: LoRA and LoHa are.")
    if any(effect is None for effect in layers.values()):
        broken = sum(effect is None for effect in layers.values())
        return Score(
            scorer=NAME,
            value=None,
            confidence=1.0,
            evidence=f"{broken} of {len(layers)} layers hold weights that are no numbers.",
            remarks=(Remark.BURNT,),
        )
    sound = {name: effect for name, effect in layers.items() if effect is not None}
    return _judged(sound, is_sdxl=bool(effects["sdxl"]))


def effects_in(file: Path) -> dict[str, float | None]:
    """The effect of each layer; None where its weights are no numbers. Raises CheckpointError for a file that is
    not whole."""
    return {name: _effect(leaves) for name, leaves in _layers(file) if _is_known(leaves)}


def by_block(layers: Mapping[str, float], *, is_sdxl: bool) -> dict[str, float]:
    """The mean effect of each block, by the names that block weights have: BASE, IN04, MID, OUT05."""
    gathered: dict[str, list[float]] = {}
    for name, effect in layers.items():
        gathered.setdefault(block_label(name, is_sdxl=is_sdxl) or OTHER, []).append(effect)
    return {block: mean(effects) for block, effects in sorted(gathered.items())}


def _judged(layers: Mapping[str, float], *, is_sdxl: bool) -> Score:
    value = mean(layers.values())
    blocks = by_block(layers, is_sdxl=is_sdxl)
    strongest = max(layers, key=lambda name: layers[name])
    silent = sum(effect == 0 for effect in layers.values())
    if value < NOTHING:
        remarks: tuple[Remark, ...] = (Remark.NO_EFFECT,)
        words = "it changes nothing"
    elif value > TOO_MUCH:
        remarks, words = (Remark.BURNT,), "it drowns the model"
    else:
        remarks, words = (), f"strongest in {max(blocks, key=lambda block: blocks[block])}"
    still = f", {silent} of {len(layers)} layers change nothing" if silent else ""
    return Score(
        scorer=NAME,
        value=value,
        confidence=0.9 if value < NOTHING else 0.6,
        evidence=f"Its layers say {value:.2g} of what the model's own say; {words}{still}.",
        remarks=remarks,
        details={"blocks": blocks, "strongest": strongest, "largest": layers[strongest]},
    )


def _layers(file: Path) -> Iterator[tuple[str, Leaves]]:
    """Each layer with its tensors by leaf."""
    gathered: dict[str, dict[str, Any]] = {}
    for name, entry, data in tensors_in(file):
        layer, _, leaf = name.partition(".")
        gathered.setdefault(layer, {})[leaf] = numbers_of(data, entry.dtype).reshape(entry.shape)
    yield from gathered.items()


def _is_known(leaves: Leaves) -> bool:
    return _is_lora(leaves) or (all(leaf in leaves for leaf in HADAMARD) and "hada_t1" not in leaves)


def _is_lora(leaves: Leaves) -> bool:
    return DOWN in leaves and UP in leaves and MIDDLE not in leaves


def _effect(leaves: Leaves) -> float | None:
    if _is_lora(leaves):
        norm, outputs, rank = _product_norm(leaves[DOWN], leaves[UP]), leaves[UP].shape[0], leaves[DOWN].shape[0]
    else:
        norm, outputs, rank = _hadamard_norm(leaves), leaves[HADAMARD[0]].shape[0], leaves[HADAMARD[1]].shape[0]
    alpha = float(leaves[ALPHA].reshape(-1)[0]) if ALPHA in leaves else float(rank)
    effect = norm * abs(alpha) / rank / math.sqrt(outputs)
    return effect if math.isfinite(effect) else None


def _product_norm(down: Any, up: Any) -> float:
    """|up @ down| without the product: the sum of (up' up) * (down down')."""
    down, up = down.reshape(down.shape[0], -1), up.reshape(up.shape[0], -1)
    squared = float(((up.T @ up) * (down @ down.T)).sum())
    return math.nan if math.isnan(squared) else math.sqrt(max(0.0, squared))


def _hadamard_norm(leaves: Leaves) -> float:
    """|(w1a w1b) * (w2a w2b)|, as LoHa multiplies (Hyeon-Woo et al., arXiv 2108.06098)."""
    w1a, w1b, w2a, w2b = (leaves[leaf] for leaf in HADAMARD)
    squared = float((((w1a @ w1b) * (w2a @ w2b)) ** 2).sum())
    return math.sqrt(squared)
