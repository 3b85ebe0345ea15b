"""LoRA files small enough to write by hand: a header that says what one wants, and the alphas behind it."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

UNET = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
TEXT = "lora_te_text_model_encoder_layers_0_self_attn_q_proj"
WIDE = "lora_unet_down_blocks_0_resnets_0_conv1"
WriteLora = Callable[..., Path]


def tensors(rank: int, *, text: bool, width: int, conv_rank: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {f"{UNET}.alpha": (), f"{UNET}.lora_down.weight": (rank, width)}
    if text:
        shapes |= {f"{TEXT}.alpha": (), f"{TEXT}.lora_down.weight": (rank, width)}
    if conv_rank:
        shapes |= {f"{WIDE}.alpha": (), f"{WIDE}.lora_down.weight": (conv_rank, 320, 3, 3)}
    return shapes


@pytest.fixture
def write_lora(tmp_path: Path) -> WriteLora:
    def write(
        metadata: Mapping[str, str],
        *,
        rank: int = 8,
        alpha: float = 4.0,
        text: bool = True,
        width: int = 768,
        conv_rank: int = 0,
        name: str = "lora.safetensors",
    ) -> Path:
        header: dict[str, object] = {"__metadata__": dict(metadata)}
        content = b""
        for tensor, shape in tensors(rank, text=text, width=width, conv_rank=conv_rank).items():
            count = 1
            for side in shape:
                count *= side
            begin = len(content)
            content += struct.pack("<e", alpha) if tensor.endswith(".alpha") else bytes(2 * count)
            header[tensor] = {"dtype": "F16", "shape": list(shape), "data_offsets": [begin, len(content)]}
        encoded = json.dumps(header).encode()
        path = tmp_path / name
        path.write_bytes(struct.pack("<Q", len(encoded)) + encoded + content)
        return path

    return write
