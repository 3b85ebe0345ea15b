"""What a LoRA file holds, without torch: ranks, alphas, how much each block changes, what is wrong with it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING

from sd_contract.errors import CheckpointError
from sd_contract.loras.blocks import BLOCKS, block_label
from sd_contract.loras.facts import family_of_lora
from sd_contract.loras.names import key_of
from sd_contract.tensors.tensor_files import Header, TensorEntry, verify_safetensors
from sd_contract.tensors.tensor_names import ALPHA, DOWN, UP
from train_tools.errors import OptionValueError
from train_tools.model.lora_tool import BlockFacts, LoraFacts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

OUTSIDE = "other"
"""Where layers stand that lie in no block."""
MOST_NAMED = 5
NUMPY_TYPES = {
    "F16": "<f2",
    "F32": "<f4",
    "F64": "<f8",
    "I64": "<i8",
    "I32": "<i4",
}
KINDS = {"hada_w1_a": "LoHa", "lokr_w1": "LoKr", "lokr_w1_a": "LoKr", "diff": "full difference"}


def inspect_lora(path: Path) -> LoraFacts:
    """Raises CheckpointError when the file is damaged or no LoRA, OptionValueError for an old kind of file."""
    if path.suffix.lower() in (".pt", ".ckpt", ".pth", ".bin"):
        raise OptionValueError(
            f"{path.name} is a pickle. Make a .safetensors of it with `train-tools lora convert` first."
        )
    header = verify_safetensors(path)
    family = family_of_lora(header.shapes, header.metadata)
    layers = _layers(header, is_sdxl=family == "sdxl")
    if not layers:
        raise CheckpointError(f"{path} is no LoRA: none of its {len(header.tensors)} tensors has such a name.")
    looked_at = [_looked_at(name, leaves) for name, leaves in _read(path, header, layers)]
    norms = {each.name: each.norm for each in looked_at if each.norm is not None}
    spoilt = tuple(each.name for each in looked_at if each.spoilt)
    silent = tuple(name for name, norm in norms.items() if norm == 0)
    kind = _kind(layers)
    return LoraFacts(
        file=str(path),
        size_bytes=header.file_size,
        family=family,
        kind=kind,
        layers=len(layers),
        ranks=dict(sorted(Counter(each.rank for each in looked_at if each.rank).items())),
        alphas=dict(sorted(Counter(each.alpha for each in looked_at if each.alpha is not None).items())),
        formats=tuple(sorted({entry.dtype for entry in header.tensors.values()})),
        norm=sqrt(sum(norm**2 for norm in norms.values())),
        blocks=tuple(_blocks(norms, is_sdxl=family == "sdxl")),
        strongest=tuple(sorted(norms.items(), key=lambda item: -item[1])[:MOST_NAMED]),
        silent=silent,
        spoilt=spoilt,
        notes=tuple(_notes(kind, len(layers), len(norms), silent, spoilt)),
        metadata=header.metadata,
    )


class _LookedAt:
    """One layer's numbers. `norm` is None for kinds whose change is not reckoned here, or that are spoilt."""

    def __init__(self, name: str, leaves: Mapping[str, Numbers]) -> None:
        import numpy as np

        self.name = name
        self.spoilt = not all(np.isfinite(numbers).all() for numbers in leaves.values())
        self.rank = int(leaves[DOWN].shape[0]) if DOWN in leaves else 0
        own = float(leaves[ALPHA]) if ALPHA in leaves else float(self.rank) or None
        self.alpha = None if own is None or self.spoilt else own
        self.norm = self._norm(leaves) if {DOWN, UP} <= leaves.keys() and "lora_mid.weight" not in leaves else None

    def _norm(self, leaves: Mapping[str, Numbers]) -> float | None:
        """The Frobenius norm of alpha / rank * up @ down, of the factors alone: tr(upT up down downT)."""
        if self.spoilt or self.alpha is None:
            return None
        up, down = leaves[UP].reshape(len(leaves[UP]), -1), leaves[DOWN].reshape(self.rank, -1)
        square = float(((up.T @ up) * (down @ down.T)).sum())
        return abs(self.alpha) / self.rank * sqrt(max(0.0, square))


def _looked_at(name: str, leaves: Mapping[str, Numbers]) -> _LookedAt:
    up, down = leaves.get(UP), leaves.get(DOWN)
    if (up is None) != (down is None):
        raise CheckpointError(f"{name!r} lacks {UP if up is None else DOWN}.")
    if up is not None and down is not None and (up.ndim < 2 or up[0].size != down.shape[0]):
        raise CheckpointError(f"{name!r} does not fit itself: {DOWN} is {down.shape}, {UP} {up.shape}.")
    return _LookedAt(name, leaves)


def _layers(header: Header, *, is_sdxl: bool) -> dict[str, dict[str, TensorEntry]]:
    layers: dict[str, dict[str, TensorEntry]] = {}
    for name, entry in header.tensors.items():
        key = key_of(name, is_sdxl=is_sdxl)
        if key is not None:
            layers.setdefault(key.layer, {})[key.leaf] = entry
    return layers


def _read(
    path: Path, header: Header, layers: Mapping[str, Mapping[str, TensorEntry]]
) -> Iterator[tuple[str, dict[str, Numbers]]]:
    with path.open("rb") as file:
        for name, leaves in layers.items():
            numbers = {}
            for leaf, entry in leaves.items():
                file.seek(header.data_start + entry.begin)
                numbers[leaf] = _numbers(file.read(entry.end - entry.begin), entry, path)
            yield name, numbers


def _numbers(content: bytes, entry: TensorEntry, path: Path) -> Numbers:
    """bf16 is the upper half of a 32-bit float."""
    import numpy as np

    if entry.dtype == "BF16":
        halves = np.frombuffer(content, "<u2").astype(np.uint32)
        return (halves << 16).view(np.float32).astype(np.float64).reshape(entry.shape)
    if entry.dtype not in NUMPY_TYPES:
        raise CheckpointError(f"{path} holds numbers of type {entry.dtype!r}, which can't be looked at here.")
    return np.frombuffer(content, NUMPY_TYPES[entry.dtype]).astype(np.float64).reshape(entry.shape)


def _blocks(norms: Mapping[str, float], *, is_sdxl: bool) -> Iterator[BlockFacts]:
    members: dict[str, list[float]] = defaultdict(list)
    for name, norm in norms.items():
        members[block_label(name, is_sdxl=is_sdxl) or OUTSIDE].append(norm)
    for block in (*BLOCKS, OUTSIDE):
        if block in members:
            squares = sum(norm**2 for norm in members[block])
            yield BlockFacts(block=block, layers=len(members[block]), norm=sqrt(squares))


def _kind(layers: Mapping[str, Mapping[str, TensorEntry]]) -> str:
    """By the first kind that is none of the plain ones."""
    for leaves in layers.values():
        for leaf, kind in KINDS.items():
            if leaf in leaves:
                return kind
    wide = any(DOWN in leaves and leaves[DOWN].shape[2:] not in ((), (1, 1)) for leaves in layers.values())
    return "LoCon" if wide else "LoRA"


def _notes(
    kind: str, layers: int, reckoned: int, silent: tuple[str, ...], spoilt: tuple[str, ...]
) -> Iterator[str]:
    if spoilt:
        yield (
            f"{len(spoilt)} of {layers} layers hold values that are no numbers (NaN or infinite): the file is "
            "spoilt. Take an earlier checkpoint."
        )
    if silent and len(silent) == reckoned:
        yield "All layers change nothing: the LoRA has no effect."
    elif silent:
        yield f"{len(silent)} of {layers} layers change nothing."
    if not reckoned and not spoilt:
        yield f"How much a {kind} changes is not reckoned here."
