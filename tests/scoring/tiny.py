"""CLIP and DINOv2 as small as their formats allow, each in a folder as the real one is. What they see means
nothing, but the same picture is always the same to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.captioners.tiny import _pictures, _save

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789,.():_"
VOCABULARY = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}


def clip(folder: Path) -> Path:
    from transformers import CLIPConfig, CLIPModel, CLIPProcessor, CLIPTokenizer

    tokenizer: Any = CLIPTokenizer(vocab={word: place for place, word in enumerate(VOCABULARY)}, merges=[])
    tokenizer.model_max_length = 77
    text = {**SMALL, "intermediate_size": 32, "vocab_size": len(VOCABULARY), "max_position_embeddings": 77}
    ends = {"bos_token_id": len(VOCABULARY) - 2, "eos_token_id": len(VOCABULARY) - 1}
    config = CLIPConfig(
        text_config={**text, **ends, "pad_token_id": ends["eos_token_id"]},
        vision_config={**SMALL, "intermediate_size": 32, "image_size": 32, "patch_size": 8},
        projection_dim=8,
    )
    _save(CLIPModel(config), CLIPProcessor(_pictures("CLIP"), tokenizer), folder)
    return folder


def dino(folder: Path) -> Path:
    from transformers import Dinov2Config, Dinov2Model

    config = Dinov2Config(**SMALL, image_size=32, patch_size=8)
    _save(Dinov2Model(config), _pictures("Bit"), folder)
    return folder
