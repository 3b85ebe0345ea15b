"""What the tensors of a LoRA file show, whatever its metadata say: ranks, alpha, trained parts, the family."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sd_contract.tensors.tensor_files import Header, TensorEntry

DOWN = ".lora_down.weight"
ALPHA = ".alpha"
OTHER_NETWORKS = (".hada_w1_a", ".lokr_w1", ".lokr_w1_a", ".oft_blocks", ".on_input", ".dora_scale")
NUMBERS = {"F16": "<e", "F32": "<f", "F64": "<d"}
WIDTHS = {768: "sd1", 1024: "sd2"}
"""The text encoder's width tells SD1 from SD2."""


@dataclass(frozen=True, kw_only=True)
class LoraTensors:
    """Of several ranks the commonest; 0 or None where nothing shows it."""

    rank: int
    conv_rank: int
    several_ranks: bool
    alpha: float | None
    trains_unet: bool
    trains_text_encoder: bool
    family: str
    is_lora: bool
    """False for networks of other kinds."""


def read_tensors(path: Path | None, header: Header) -> LoraTensors:
    """Without a path the alphas, which are in the tensors' bytes, stay unknown."""
    names = header.tensors
    downs = {name: entry.shape for name, entry in names.items() if name.endswith(DOWN) and entry.shape}
    wide = Counter(shape[0] for shape in downs.values() if _is_wide(shape))
    plain = Counter(shape[0] for shape in downs.values() if not _is_wide(shape))
    return LoraTensors(
        rank=_commonest(plain),
        conv_rank=_commonest(wide),
        several_ranks=len(plain) > 1 or len(wide) > 1,
        alpha=_alpha(path, header) if path else None,
        trains_unet=any(name.startswith("lora_unet_") for name in names),
        trains_text_encoder=any(name.startswith("lora_te") for name in names),
        family=_family(header),
        is_lora=bool(downs) and not any(name.endswith(OTHER_NETWORKS) for name in names),
    )


def _is_wide(shape: tuple[int, ...]) -> bool:
    return len(shape) == 4 and shape[2:] != (1, 1)


def _commonest(ranks: Counter[int]) -> int:
    return ranks.most_common(1)[0][0] if ranks else 0


def _family(header: Header) -> str:
    names = header.tensors
    if any(name.startswith(("lora_te2_", "lora_unet_input_blocks_", "lora_unet_middle_block_")) for name in names):
        return "sdxl"
    for name, entry in names.items():
        if name.endswith("_attn2_to_k" + DOWN) and len(entry.shape) == 2:
            return WIDTHS.get(entry.shape[1], "sdxl" if entry.shape[1] == 2048 else "")
        if name.startswith("lora_te_") and "q_proj" in name and name.endswith(DOWN) and len(entry.shape) == 2:
            return WIDTHS.get(entry.shape[1], "")
    return ""


def _alpha(path: Path, header: Header) -> float | None:
    """The commonest alpha of layers that are no wide convolutions."""
    try:
        with path.open("rb") as file:
            found: Counter[float] = Counter()
            for entry in _alphas(header):
                file.seek(header.data_start + entry.begin)
                number = _number(entry, file.read(entry.end - entry.begin))
                if number is not None:
                    found[number] += 1
    except OSError:
        return None
    return found.most_common(1)[0][0] if found else None


def _alphas(header: Header) -> Iterator[TensorEntry]:
    for name, entry in header.tensors.items():
        down = header.tensors.get(name.removesuffix(ALPHA) + DOWN)
        if name.endswith(ALPHA) and entry.end - entry.begin <= 8 and down and not _is_wide(down.shape):
            yield entry


def _number(entry: TensorEntry, content: bytes) -> float | None:
    try:
        if entry.dtype == "BF16":
            return float(struct.unpack("<f", b"\0\0" + content)[0])
        return float(struct.unpack(NUMBERS[entry.dtype], content)[0])
    except (KeyError, struct.error):
        return None
